//! Messages about an inferred job.

use std::path::Path;

use super::speech::Speech;
use crate::report::Inferred;

/// Says what was inferred, and that it was written to `path`.
pub(super) fn tell_written(inferred: &Inferred, path: &Path, speech: Speech) {
    speech.inform(&format!(
        "wrote {}, {}\nit is yours to edit, and is used from now on",
        path.display(),
        inferred.sentence()
    ));
    speech.inform(&inferred.choice());
    warn(inferred, speech);
    if speech.speaks() {
        speech.tell(&format!("\n{}\n", inferred.table()));
    }
}

/// Says what was inferred, and that it was not written to a file.
pub(super) fn tell_unwritten(inferred: &Inferred, speech: Speech) {
    speech.inform(&format!(
        "there is no job, so the records are checked against what was {}\n`logmill infer` writes it to a \
        job file that you can edit",
        inferred.sentence()
    ));
    speech.inform(&inferred.choice());
    warn(inferred, speech);
}

/// Reports the remarks beyond the fields.
pub(super) fn warn(inferred: &Inferred, speech: Speech) {
    for warning in &inferred.warnings {
        speech.warn(warning);
    }
}
