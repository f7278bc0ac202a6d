//! Replaces `tls` when the program is built without it.

use std::io;

use postgres::NoTls;

use super::tls_settings::{Authorities, TlsSettings};
use crate::error::Result;

/// The driver's TLS hook, without TLS.
pub(super) type Maker = NoTls;

/// There is none: `prefer` connects without TLS, and modes that need TLS were refused.
#[derive(Clone)]
pub(super) enum Connector {}

impl Connector {
    pub(super) fn new(_: &TlsSettings) -> Result<Option<Connector>> {
        Ok(None)
    }

    pub(super) fn get(&self) -> Maker {
        match *self {}
    }
}

pub(super) fn explain(_: &io::Error, _: &Authorities) -> Option<String> {
    None
}
