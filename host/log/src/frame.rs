//! The bytes of the log.
//!
//! A segment is a header and then frames. One frame is everything that was written between two syncs: what follows a
//! frame was written after it was durable, so a broken frame with a whole one behind it is damage, and a broken frame
//! at the very end is a write that a crash cut short.
//!
//! ```text
//! segment  "OAILOG\r\n"  format u16  reserved u16  salt u32  crc u32 (of the 16 bytes before)
//! frame    "frm\x1a"  length u32  crc u32 (of salt, payload)  head crc u32 (of salt, length, crc)  payload
//! payload  format u8  count u32  count × length u32  count × record (postcard)
//! ```
//!
//! Integers are little-endian. The salt makes it impossible for a tenant to write data that looks like a frame; the
//! head's own checksum makes looking for a whole frame behind a broken one cheap.

use crate::Error;
use std::ops::Range;
use types::{ObjectId, Record};

pub(crate) const MAGIC: [u8; 8] = *b"OAILOG\r\n";
pub(crate) const SEGMENT_FORMAT: u16 = 1;
pub(crate) const HEADER_BYTES: usize = 20;
pub(crate) const FRAME_MARK: [u8; 4] = *b"frm\x1a";
pub(crate) const FRAME_HEAD_BYTES: usize = 16;
/// Of the payload. Counts up when `types::Record` changes its encoding. 1 was of development versions that knew no
/// branches; it is refused with a message, never misread.
pub(crate) const RECORD_FORMAT: u8 = 2;

/// What the log itself must know of a record; the first fields of its encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Deserialize)]
pub(crate) struct Head {
    pub object: ObjectId,
    pub epoch: u64,
    pub seq: u64,
}

impl Head {
    pub fn of(record: &Record) -> Self {
        Self { object: record.object, epoch: record.epoch, seq: record.seq }
    }
}

/// A batch, encoded where it was made so that the log's one thread only writes.
pub(crate) struct Encoded {
    pub heads: Vec<Head>,
    lengths: Vec<u32>,
    bytes: Vec<u8>,
}

impl Encoded {
    pub fn new<'r>(records: impl IntoIterator<Item = &'r Record>) -> Result<Self, Error> {
        let mut batch = Self { heads: Vec::new(), lengths: Vec::new(), bytes: Vec::new() };
        for record in records {
            let start = batch.bytes.len();
            batch.bytes = postcard::to_extend(record, std::mem::take(&mut batch.bytes)).map_err(Error::Encode)?;
            let length = u32::try_from(batch.bytes.len() - start)
                .map_err(|_| Error::Encode(postcard::Error::SerializeBufferFull))?;
            batch.lengths.push(length);
            batch.heads.push(Head::of(record));
        }
        Ok(batch)
    }

    /// What it takes on the disk, near enough.
    pub fn size(&self) -> usize {
        self.bytes.len() + 4 * self.lengths.len()
    }
}

/// Builds one frame of many batches. The buffer is used again and again.
#[derive(Default)]
pub(crate) struct FrameBuilder {
    bytes: Vec<u8>,
}

impl FrameBuilder {
    /// The buffer a quiet log keeps.
    const KEEP_BYTES: usize = 1 << 20;

    /// The frame, and where in it each record lies, in the order of the batches.
    pub fn build(&mut self, salt: u32, batches: &[&Encoded]) -> (&[u8], Vec<Range<u32>>) {
        self.bytes.clear();
        self.bytes.shrink_to(Self::KEEP_BYTES);
        let count: usize = batches.iter().map(|b| b.lengths.len()).sum();
        self.bytes.extend_from_slice(&FRAME_MARK);
        self.bytes.extend_from_slice(&[0; 12]);
        self.bytes.push(RECORD_FORMAT);
        self.bytes.extend_from_slice(&small(count).to_le_bytes());
        for length in batches.iter().flat_map(|b| &b.lengths) {
            self.bytes.extend_from_slice(&length.to_le_bytes());
        }
        let mut ranges = Vec::with_capacity(count);
        for batch in batches {
            let mut start = small(self.bytes.len());
            self.bytes.extend_from_slice(&batch.bytes);
            for length in &batch.lengths {
                ranges.push(start..start + length);
                start += length;
            }
        }
        let length = small(self.bytes.len() - FRAME_HEAD_BYTES);
        let crc = salted_crc(salt, &self.bytes[FRAME_HEAD_BYTES..]);
        self.bytes[4..8].copy_from_slice(&length.to_le_bytes());
        self.bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        let head_crc = salted_crc(salt, &self.bytes[4..12]);
        self.bytes[12..16].copy_from_slice(&head_crc.to_le_bytes());
        (&self.bytes, ranges)
    }
}

/// The queue is limited to far less than 4 GiB.
fn small(n: usize) -> u32 {
    u32::try_from(n).expect("a frame is bounded by the queue, which is below 4 GiB")
}

fn salted_crc(salt: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

pub(crate) fn segment_header(salt: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..10].copy_from_slice(&SEGMENT_FORMAT.to_le_bytes());
    header[12..16].copy_from_slice(&salt.to_le_bytes());
    let crc = crc32fast::hash(&header[..16]);
    header[16..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// What the beginning of a segment turned out to be.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum HeaderRead {
    Salt(u32),
    Format(u16),
    /// Shorter than a header, or not one.
    Broken,
}

pub(crate) fn read_segment_header(bytes: &[u8]) -> HeaderRead {
    let Some(header) = bytes.get(..HEADER_BYTES) else { return HeaderRead::Broken };
    if header[..8] != MAGIC || crc32fast::hash(&header[..16]).to_le_bytes() != header[16..] {
        return HeaderRead::Broken;
    }
    match u16::from_le_bytes([header[8], header[9]]) {
        SEGMENT_FORMAT => HeaderRead::Salt(read_u32(header, 12).expect("a header is 20 bytes")),
        other => HeaderRead::Format(other),
    }
}

/// The payload's length, if a whole frame with the right checksum begins at `offset`.
pub(crate) fn whole_frame_at(bytes: &[u8], offset: usize, salt: u32) -> Option<u32> {
    let head = bytes.get(offset..offset.checked_add(FRAME_HEAD_BYTES)?)?;
    if head[..4] != FRAME_MARK || salted_crc(salt, &head[4..12]) != read_u32(head, 12)? {
        return None;
    }
    let length = read_u32(head, 4)?;
    let start = offset + FRAME_HEAD_BYTES;
    let payload = bytes.get(start..start.checked_add(length as usize)?)?;
    (salted_crc(salt, payload) == read_u32(head, 8)?).then_some(length)
}

/// Whether a whole frame begins anywhere from `offset` on.
pub(crate) fn any_whole_frame_from(bytes: &[u8], offset: usize, salt: u32) -> bool {
    (offset..bytes.len().saturating_sub(FRAME_HEAD_BYTES))
        .any(|at| bytes[at] == FRAME_MARK[0] && whole_frame_at(bytes, at, salt).is_some())
}

/// The records of a payload whose checksum was right: each one's head, and where it lies in the payload.
pub(crate) fn heads(payload: &[u8]) -> Result<Vec<(Head, Range<u32>)>, String> {
    match payload.first() {
        Some(&RECORD_FORMAT) => {}
        Some(other) => {
            return Err(format!(
                "its records have format {other} and this server reads {RECORD_FORMAT}; start the version that wrote them"
            ));
        }
        None => return Err("a frame without content".into()),
    }
    let count = read_u32(payload, 1).ok_or("a frame without a count")?;
    let table_end = (count as usize).checked_mul(4).and_then(|n| n.checked_add(5)).ok_or("a count beyond reason")?;
    if table_end > payload.len() {
        return Err("a count beyond the frame".into());
    }
    let mut start = table_end;
    let mut found = Vec::with_capacity(count as usize);
    for i in 0..count as usize {
        let length = read_u32(payload, 5 + 4 * i).ok_or("a frame without lengths")? as usize;
        let bytes = payload.get(start..start + length).ok_or("a record beyond the frame")?;
        let (head, _) =
            postcard::take_from_bytes::<Head>(bytes).map_err(|e| format!("a record without a head: {e}"))?;
        found.push((head, small(start)..small(start + length)));
        start += length;
    }
    if start == payload.len() { Ok(found) } else { Err("bytes behind the last record".into()) }
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Record, postcard::Error> {
    postcard::from_bytes(bytes)
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).map(|b| u32::from_le_bytes(b.try_into().expect("four bytes were taken")))
}

#[cfg(test)]
mod tests;
