//! Server-sent events, as far as models use them: the data of each event, from pieces cut anywhere.

/// The longest line. A longer one is no answer of a model.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Puts pieces together to events.
#[derive(Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    data: String,
}

/// What is wrong with a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Broken {
    TooLong,
    NotText,
}

impl Events {
    /// Takes the next piece, and gives the data of each event that it ends.
    pub(crate) fn take(&mut self, piece: &[u8], mut event: impl FnMut(&str)) -> Result<(), Broken> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + part.len() > LINE_BYTES_MAX {
                return Err(Broken::TooLong);
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.end_line(&line, &mut event)?;
            }
        }
        Ok(())
    }

    fn end_line(&mut self, line: &[u8], event: &mut impl FnMut(&str)) -> Result<(), Broken> {
        let line = std::str::from_utf8(line).map_err(|_| Broken::NotText)?.trim_end_matches(['\n', '\r']);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            if !data.is_empty() {
                event(&data);
            }
            return Ok(());
        }
        // Names, ids and comments mean nothing here.
        let Some(data) = line.strip_prefix("data:") else { return Ok(()) };
        let data = data.strip_prefix(' ').unwrap_or(data);
        if self.data.len() + data.len() > LINE_BYTES_MAX {
            return Err(Broken::TooLong);
        }
        if !self.data.is_empty() {
            self.data.push('\n');
        }
        self.data.push_str(data);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&[u8]]) -> Result<Vec<String>, Broken> {
        let (mut events, mut found) = (Events::default(), Vec::new());
        for piece in pieces {
            events.take(piece, |data| found.push(data.to_owned()))?;
        }
        Ok(found)
    }

    #[test]
    fn events_are_found_wherever_the_pieces_are_cut() {
        let text = ": hi\r\nevent: x\r\ndata: {\"a\":\"ö\"}\r\n\r\ndata: two\ndata: lines\n\ndata:[DONE]\n\ndata: half";
        let wanted = ["{\"a\":\"ö\"}", "two\nlines", "[DONE]"];
        assert_eq!(all(&[text.as_bytes()]).unwrap(), wanted);
        for cut in 1..text.len() {
            let (one, two) = text.as_bytes().split_at(cut);
            assert_eq!(all(&[one, two]).unwrap(), wanted, "cut at {cut}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let piece = vec![b'x'; LINE_BYTES_MAX / 2 + 1];
        assert_eq!(all(&[&piece, &piece]), Err(Broken::TooLong));
        assert_eq!(all(&[b"data: \xff\n\n"]), Err(Broken::NotText));
    }
}
