//! What a folder of segments holds, read when the log is opened.

use crate::Error;
use crate::frame::{self, HeaderRead};
use crate::index::{Index, Last};
use crate::segment::{self, Segment};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The log as it was found.
pub(crate) struct Found {
    pub index: Index,
    /// The segment to go on writing, and where its last frame ends.
    pub last: Option<(Arc<Segment>, u64)>,
    /// The number of the next new segment.
    pub next_number: u32,
}

/// Reads every segment. The end of the last one is cut off where a crash cut the last write short; any other damage is
/// an error, and then nothing was changed.
pub(crate) fn scan(folder: &Path) -> Result<Found, Error> {
    let mut found = Found { index: Index::default(), last: None, next_number: 1 };
    let segments = list(folder)?;
    for (i, (number, path)) in segments.iter().enumerate() {
        let is_last = i + 1 == segments.len();
        if found.last.is_some() && found.next_number != *number {
            return Err(corrupt(path, 0, format!("segment {} before it is missing", segment::name(found.next_number))));
        }
        found.next_number = number + 1;
        let bytes = std::fs::read(path).map_err(|e| io("could not read the segment", path, e))?;
        match frame::read_segment_header(&bytes) {
            HeaderRead::Salt(salt) => {
                let segment = Arc::new(Segment::open(path, *number, salt)?);
                let end = read_frames(&mut found.index, &segment, &bytes, is_last)?;
                found.last = Some((segment, end));
            }
            HeaderRead::Format(format) => {
                let supported = frame::SEGMENT_FORMAT;
                return Err(Error::Newer { segment: path.clone(), found: format, supported });
            }
            // A crash between making the file and syncing its header, before anything was written behind it.
            HeaderRead::Broken if is_last && bytes.len() <= frame::HEADER_BYTES => {
                std::fs::remove_file(path).map_err(|e| io("could not remove the empty segment", path, e))?;
                found.next_number = *number;
            }
            HeaderRead::Broken => return Err(corrupt(path, 0, "its header is broken".into())),
        }
    }
    Ok(found)
}

/// Indexes the frames of one segment; where the last one ends.
fn read_frames(index: &mut Index, segment: &Arc<Segment>, bytes: &[u8], is_last: bool) -> Result<u64, Error> {
    index.add_segment(Arc::clone(segment), bytes.len() as u64);
    let mut offset = frame::HEADER_BYTES;
    while offset < bytes.len() {
        let Some(length) = frame::whole_frame_at(bytes, offset, segment.salt) else {
            if !is_last || frame::any_whole_frame_from(bytes, offset + 1, segment.salt) {
                return Err(corrupt(&segment.path, offset, "a broken frame, with whole ones behind it".into()));
            }
            return cut(index, segment, offset as u64, bytes.len());
        };
        let start = offset + frame::FRAME_HEAD_BYTES;
        let end = start + length as usize;
        let heads = frame::heads(&bytes[start..end]).map_err(|what| corrupt(&segment.path, offset, what))?;
        for (head, range) in heads {
            let follows = index.check(&[head], &mut Last::new()).is_ok();
            let at = u32::try_from(start).ok().and_then(|s| s.checked_add(range.start));
            let (true, Some(at)) = (follows, at) else {
                let what = format!("record {} of object {} does not follow the one before", head.seq, head.object);
                return Err(corrupt(&segment.path, offset, what));
            };
            index.add(head, segment.number, at, range.end - range.start);
        }
        offset = end;
    }
    Ok(offset as u64)
}

fn cut(index: &mut Index, segment: &Segment, end: u64, had: usize) -> Result<u64, Error> {
    tracing::info!(segment = %segment.path.display(), end, had, "cut off a write that did not finish");
    segment
        .truncate(end)
        .and_then(|()| segment.sync())
        .map_err(|e| io("could not cut off the unfinished end of the segment", &segment.path, e))?;
    index.set_bytes(segment.number, end);
    Ok(end)
}

fn list(folder: &Path) -> Result<Vec<(u32, PathBuf)>, Error> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| io("could not list the folder", folder, e))? {
        let entry = entry.map_err(|e| io("could not list the folder", folder, e))?;
        if let Some(number) = entry.file_name().to_str().and_then(segment::number_of) {
            segments.push((number, entry.path()));
        }
    }
    segments.sort();
    Ok(segments)
}

fn corrupt(path: &Path, offset: impl TryInto<u64>, what: String) -> Error {
    Error::Corrupt { segment: path.into(), offset: offset.try_into().unwrap_or(0), what }
}

pub(crate) fn io(what: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::Io { what, path: path.into(), source }
}
