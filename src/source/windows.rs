//! Mapped files: chunks cut from windows, which cover the file one after the other.

use std::sync::Arc;

use super::chunk::{Bytes, Chunk, LongRecord, Start};
use super::identity::TAIL_BYTES;
use super::map::Window;
use super::{Body, Settings, Source, first_record};
use crate::error::{Error, Result};
use crate::span::Span;

/// The chunks of a source, cut from windows.
#[derive(Debug)]
pub(super) struct Windows {
    source: Arc<Source>,
    size: u64,
    /// The end of the range to cut.
    end: u64,
    settings: Settings,
    position: u64,
    window: Option<(u64, Arc<Window>)>,
}

impl Windows {
    pub(super) fn new(
        source: &Arc<Source>,
        start: Start,
        end: Option<u64>,
        settings: &Settings,
    ) -> Result<Windows> {
        let size = source.size().expect("only plain files are mapped");
        let position = match start.record {
            0 => {
                let first = source.read(Span::new(0, size.min(4)))?;
                first_record(source.path(), &first)?
            }
            record => record,
        };
        let end = end.map_or(size, |end| end.min(size));
        Ok(Windows {
            source: Arc::clone(source),
            size,
            end,
            settings: settings.clone(),
            position,
            window: None,
        })
    }

    pub(super) fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        if self.position >= self.end {
            return Ok(None);
        }
        if let Some(chunk) = self.cut_here()? {
            return Ok(Some(chunk));
        }
        // No record ends in the rest of this window: map from the record on.
        self.open_window(self.settings.window_bytes)?;
        if let Some(chunk) = self.cut_here()? {
            return Ok(Some(chunk));
        }
        // Nor in a whole window: the record is long. A little more shows where it ends.
        self.open_window(self.settings.reach())?;
        if let Some(chunk) = self.cut_here()? {
            return Ok(Some(chunk));
        }
        if self.window_reaches_end() && !self.rest_is_record() {
            return Ok(None);
        }
        self.follow_long_record()
    }

    fn window_reaches_end(&self) -> bool {
        self.window.as_ref().is_some_and(|(offset, window)| offset + window.len() as u64 == self.end)
    }

    /// Whether the rest of the window is a record, even if it may continue: a range that ends before its
    /// source ends on a record start.
    fn rest_is_record(&self) -> bool {
        self.window_reaches_end() && (!self.settings.growing || self.end < self.size)
    }

    /// A chunk from the present window, if a record ends in it.
    fn cut_here(&mut self) -> Result<Option<Chunk>> {
        let rest_is_record = self.rest_is_record();
        let Some((offset, window)) = &self.window else { return Ok(None) };
        let start = usize::try_from(self.position - offset).expect("within the window or just behind");
        let cut = self.settings.cut(self.position, &window[start..], rest_is_record);
        if !window.is_intact() {
            return Err(self.source.shrank());
        }
        let Some(length) = cut else { return Ok(None) };
        let bytes = Bytes::of_map(Arc::clone(window), start, start + length);
        let span = Span::new(self.position, self.position + length as u64);
        self.position = span.end;
        let ends = (span.end == self.size).then_some(self.size);
        Ok(Some(Chunk { span, body: Body::Records(bytes), ends, is_last: false, raw: span.len() }))
    }

    /// Maps at least `reach` bytes from the position on, and what a tail may need before it.
    fn open_window(&mut self, reach: usize) -> Result<()> {
        let offset = self.position.saturating_sub(TAIL_BYTES as u64);
        let end = (self.position + reach as u64).min(self.end);
        let length = usize::try_from(end - offset).expect("a window fits into memory");
        let window = Window::open(&self.source, offset, length)
            .map_err(|cause| Error::file("map", self.source.path(), cause))?;
        self.window = Some((offset, Arc::new(window)));
        Ok(())
    }

    fn follow_long_record(&mut self) -> Result<Option<Chunk>> {
        let start = self.position;
        let mut record = LongRecord::new(start, &self.settings.framing);
        // More than ever remains, so that each window advances.
        let reach = self.settings.window_bytes.max(2 * self.settings.framing.look_ahead());
        loop {
            self.source.go_on()?;
            self.open_window(reach)?;
            let is_last = self.rest_is_record();
            let (offset, window) = self.window.as_ref().expect("just opened");
            let from = usize::try_from(self.position - offset).expect("within the window");
            let (taken, ended) = record.take(&window[from..], is_last);
            if !window.is_intact() {
                return Err(self.source.shrank());
            }
            self.position += taken as u64;
            let is_end = self.position >= self.end;
            if !ended && self.window_reaches_end() && !self.rest_is_record() {
                self.position = start;
                return Ok(None);
            }
            let is_enough = self.position - start >= self.settings.follow_bytes_max;
            if ended || is_end || is_enough {
                let ends = self.position >= self.size;
                let mut chunk = record.finish(self.position, ended || !ends, ends);
                chunk.raw = chunk.span.len();
                return Ok(Some(chunk));
            }
        }
    }
}
