//! Writes the event log of a run and keeps the same run in memory for the reports.
//!
//! Owns nothing but the order of the two: what is in memory has been written first.

use std::io::{self, Write};

use partenza_reports::Report;
use partenza_reports::log::Record;

/// The log of a run that is under way.
pub struct EventLog {
    out: Box<dyn Write>,
    report: Report,
}

impl EventLog {
    /// A log that goes to `out`, one record a line.
    pub fn new(out: Box<dyn Write>) -> Self {
        Self {
            out,
            report: Report::default(),
        }
    }

    /// Writes one record.
    ///
    /// # Errors
    /// When it cannot be written, or does not belong here.
    pub fn write(&mut self, record: Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(&record)?;
        line.push(b'\n');
        self.out.write_all(&line)?;
        self.report.push(record).map_err(io::Error::other)
    }

    /// The run as far as it has been written.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Ends the log.
    ///
    /// # Errors
    /// When it cannot be written to its end.
    pub fn finish(mut self) -> io::Result<Report> {
        self.out.flush()?;
        Ok(self.report)
    }
}
