//! Compressed sources: gzip with all its members, zstd with all its frames, bzip2 and xz with all their
//! streams.
//!
//! The first bytes of a file determine its type, not its name. Positions are those of the decompressed bytes,
//! so a checkpoint means the same in a file and in its archive; resuming from one means inflating up to it
//! again.
//!
//! An archive that is truncated or damaged yields everything before the damage and then an error that names
//! the place: what was read is good, and the rest may still come.

use std::io::{self, BufReader, Read};

#[cfg(any(feature = "gzip", feature = "zstd", feature = "bzip2", feature = "xz"))]
use crate::error::Error;

/// How the bytes of a file are to be interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// Uncompressed.
    Plain,
    /// RFC 1952, one member or many (as produced by bgzip and `cat a.gz b.gz`).
    Gzip,
    /// RFC 8878, one frame or many.
    Zstd,
    /// One stream or many, as produced by pbzip2.
    Bzip2,
    /// One stream or many, with or without padding between them.
    Xz,
}

impl Codec {
    /// The type of a file, by its first bytes. The error is an unsupported format.
    pub(super) fn detect(start: &[u8]) -> Result<Codec, Archive> {
        Ok(match start {
            [0x1f, 0x8b, ..] => Codec::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Codec::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => Codec::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Codec::Xz,
            [0x04, 0x22, 0x4d, 0x18, ..] => return Err(Archive { name: "lz4", pipe: "lz4 -dc" }),
            [0x1f, 0x9d, ..] => return Err(Archive { name: "compress", pipe: "gzip -dc" }),
            [b'P', b'K', 3, 4, ..] => return Err(Archive { name: "zip", pipe: "unzip -p" }),
            [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => return Err(Archive { name: "7z", pipe: "7z x -so" }),
            _ => Codec::Plain,
        })
    }

    /// The word for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Codec::Plain => "plain",
            Codec::Gzip => "gzip",
            Codec::Zstd => "zstd",
            Codec::Bzip2 => "bzip2",
            Codec::Xz => "xz",
        }
    }
}

/// A type of archive that is not supported, and the command that writes its content to a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Archive {
    pub(super) name: &'static str,
    pub(super) pipe: &'static str,
}

/// Concatenated files. A compressed tar is detected when it is inflated.
pub(super) const TAR: Archive = Archive { name: "tar", pipe: "tar -xOf" };

/// Whether a source begins like a tar: with the name of a file, and a mark at a fixed place.
pub(super) fn is_tar(start: &[u8]) -> bool {
    start.get(257..262) == Some(b"ustar")
}

/// How many bytes `detect` needs to see.
pub(super) const DETECT_BYTES: usize = 6;

/// A window of 128 MiB, the default limit of the `zstd` command. Only bombs ask for more.
#[cfg(feature = "zstd")]
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// As much as the highest level of the `xz` command needs, times two.
#[cfg(feature = "xz")]
const XZ_MEMORY_MAX: u64 = 160 << 20;

/// The decompressed bytes of `raw`.
pub(super) enum Inflate<R: Read> {
    #[cfg(feature = "gzip")]
    Gzip(Members<BufReader<R>>),
    #[cfg(feature = "zstd")]
    Zstd(Frames<BufReader<R>>),
    #[cfg(feature = "bzip2")]
    Bzip2(Streams<bzip2::bufread::MultiBzDecoder<BufReader<R>>>),
    #[cfg(feature = "xz")]
    Xz(Streams<liblzma::bufread::XzDecoder<BufReader<R>>>),
    /// Never constructed: it uses `R` when no compression feature is enabled.
    #[allow(dead_code, reason = "only without all features")]
    None(R),
}

/// Compressed bytes are read this many at a time.
const RAW_BYTES: usize = 128 << 10;

impl<R: Read> Inflate<R> {
    pub(super) fn new(codec: Codec, raw: R) -> io::Result<Inflate<R>> {
        let raw = BufReader::with_capacity(RAW_BYTES, raw);
        match codec {
            #[cfg(feature = "gzip")]
            Codec::Gzip => Ok(Inflate::Gzip(Members::new(raw))),
            #[cfg(feature = "zstd")]
            Codec::Zstd => Ok(Inflate::Zstd(Frames::new(raw)?)),
            #[cfg(feature = "bzip2")]
            Codec::Bzip2 => Ok(Inflate::Bzip2(Streams::new(bzip2::bufread::MultiBzDecoder::new(raw)))),
            #[cfg(feature = "xz")]
            Codec::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(
                    XZ_MEMORY_MAX,
                    liblzma::stream::CONCATENATED,
                )?;
                Ok(Inflate::Xz(Streams::new(liblzma::bufread::XzDecoder::new_stream(raw, stream))))
            }
            other => {
                drop(raw);
                Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!(
                        "this logmill was built without {0}; build it with the feature `{0}`, or give it what is in the file: {0} -dc FILE | logmill load -j JOB -",
                        other.name()
                    ),
                ))
            }
        }
    }
}

impl<R: Read> Read for Inflate<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            #[cfg(feature = "gzip")]
            Inflate::Gzip(members) => members.read(buffer),
            #[cfg(feature = "zstd")]
            Inflate::Zstd(frames) => frames.read(buffer),
            #[cfg(feature = "bzip2")]
            Inflate::Bzip2(streams) => streams.read(buffer),
            #[cfg(feature = "xz")]
            Inflate::Xz(streams) => streams.read(buffer),
            Inflate::None(raw) => raw.read(buffer),
        }
    }
}

/// How far an archive is inflated, and how much of that its checksums have confirmed.
#[cfg(any(feature = "gzip", feature = "zstd", feature = "bzip2", feature = "xz"))]
#[derive(Default)]
struct Inflated {
    bytes: u64,
    checked: u64,
}

#[cfg(any(feature = "gzip", feature = "zstd", feature = "bzip2", feature = "xz"))]
impl Inflated {
    /// A checksum follows the data it is for, so damage is detected only after it has had its effect. The
    /// data of a truncated archive is good as far as it goes.
    fn damaged(&self, cause: io::Error) -> io::Error {
        let is_cut = cause.kind() == io::ErrorKind::UnexpectedEof;
        // An error of the file itself is not damage.
        let is_of_file =
            cause.raw_os_error().is_some() || cause.get_ref().is_some_and(|inner| inner.is::<Error>());
        if is_cut || is_of_file || self.checked == self.bytes {
            return cause;
        }
        let what = format!("{cause}; what was inflated since byte {} may be wrong", self.checked);
        io::Error::new(io::ErrorKind::InvalidData, what)
    }
}

/// The members of a gzip file, one after the other. (A decoder that stops after the first silently loses the
/// rest.)
#[cfg(feature = "gzip")]
pub(super) struct Members<R: io::BufRead> {
    at: Member<R>,
    inflated: Inflated,
}

#[cfg(feature = "gzip")]
enum Member<R: io::BufRead> {
    Inside(Box<flate2::bufread::GzDecoder<R>>),
    Between,
    Ended,
}

#[cfg(feature = "gzip")]
impl<R: io::BufRead> Members<R> {
    fn new(raw: R) -> Members<R> {
        Members { at: Member::begin(raw), inflated: Inflated::default() }
    }
}

#[cfg(feature = "gzip")]
impl<R: io::BufRead> Member<R> {
    fn begin(raw: R) -> Member<R> {
        Member::Inside(Box::new(flate2::bufread::GzDecoder::new(raw)))
    }

    /// What comes after a member.
    fn after(mut raw: R) -> io::Result<Member<R>> {
        match raw.fill_buf()?.first().copied() {
            None => Ok(Member::Ended),
            Some(0x1f) => Ok(Member::begin(raw)),
            // Tapes and block devices pad with zeros.
            Some(0) if is_padding(&mut raw)? => Ok(Member::Ended),
            Some(_) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "something that is not gzip follows the last member",
            )),
        }
    }
}

#[cfg(feature = "gzip")]
impl<R: io::BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.at, Member::Between) {
                Member::Inside(mut member) => match member.read(buffer) {
                    Ok(0) if !buffer.is_empty() => {
                        self.inflated.checked = self.inflated.bytes;
                        self.at = Member::after(member.into_inner())?;
                    }
                    Ok(more) => {
                        self.inflated.bytes += more as u64;
                        self.at = Member::Inside(member);
                        return Ok(more);
                    }
                    Err(cause) => {
                        self.at = Member::Inside(member);
                        return Err(self.inflated.damaged(cause));
                    }
                },
                Member::Between => return Err(io::Error::other("read on after an error")),
                Member::Ended => {
                    self.at = Member::Ended;
                    return Ok(0);
                }
            }
        }
    }
}

/// The frames of a zstd file, one after the other.
#[cfg(feature = "zstd")]
pub(super) struct Frames<R: io::BufRead> {
    raw: R,
    decoder: zstd::stream::raw::Decoder<'static>,
    is_inside: bool,
    inflated: Inflated,
}

#[cfg(feature = "zstd")]
impl<R: io::BufRead> Frames<R> {
    fn new(raw: R) -> io::Result<Frames<R>> {
        use zstd::stream::raw::{DParameter, Decoder};
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
        Ok(Frames { raw, decoder, is_inside: false, inflated: Inflated::default() })
    }
}

#[cfg(feature = "zstd")]
impl<R: io::BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use zstd::stream::raw::Operation as _;
        while !buffer.is_empty() {
            let input = self.raw.fill_buf()?;
            let is_end = input.is_empty();
            if is_end && !self.is_inside {
                break;
            }
            // Also at the end: the last buffer may not have had room for everything.
            let step = self.decoder.run_on_buffers(input, buffer);
            let step = step.map_err(|cause| self.inflated.damaged(cause))?;
            self.raw.consume(step.bytes_read);
            self.inflated.bytes += step.bytes_written as u64;
            self.is_inside = step.remaining > 0;
            if !self.is_inside {
                self.inflated.checked = self.inflated.bytes;
            }
            if step.bytes_written > 0 {
                return Ok(step.bytes_written);
            }
            if is_end {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}

/// The streams of a file, by a decoder that continues from one to the next by itself.
#[cfg(any(feature = "bzip2", feature = "xz"))]
pub(super) struct Streams<D> {
    decoder: D,
    /// The decoder does not report how far its checksums have confirmed the data.
    inflated: Inflated,
}

#[cfg(any(feature = "bzip2", feature = "xz"))]
impl<D: Read> Streams<D> {
    fn new(decoder: D) -> Streams<D> {
        Streams { decoder, inflated: Inflated::default() }
    }
}

#[cfg(any(feature = "bzip2", feature = "xz"))]
impl<D: Read> Read for Streams<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let more = self.decoder.read(buffer).map_err(|cause| self.inflated.damaged(cause))?;
        self.inflated.bytes += more as u64;
        Ok(more)
    }
}

/// Whether nothing but zeros is left.
#[cfg(feature = "gzip")]
fn is_padding(raw: &mut impl io::BufRead) -> io::Result<bool> {
    loop {
        let rest = raw.fill_buf()?;
        if rest.is_empty() {
            return Ok(true);
        }
        if rest.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        let length = rest.len();
        raw.consume(length);
    }
}

#[cfg(all(test, feature = "gzip", feature = "zstd"))]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).expect("compressed");
        encoder.finish().expect("compressed")
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 1).expect("compressed")
    }

    #[cfg(feature = "bzip2")]
    fn bzip2(text: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(text).expect("compressed");
        encoder.finish().expect("compressed")
    }

    #[cfg(feature = "xz")]
    fn xz(text: &[u8]) -> Vec<u8> {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(text).expect("compressed");
        encoder.finish().expect("compressed")
    }

    type Compress = fn(&[u8]) -> Vec<u8>;

    /// Every compression that is built in.
    fn all() -> Vec<Compress> {
        vec![
            gzip,
            zstd,
            #[cfg(feature = "bzip2")]
            bzip2,
            #[cfg(feature = "xz")]
            xz,
        ]
    }

    fn inflate(bytes: &[u8]) -> (Vec<u8>, Option<String>) {
        let codec = Codec::detect(bytes).expect("known");
        let mut out = Vec::new();
        let result = Inflate::new(codec, bytes).expect("a decoder").read_to_end(&mut out);
        (out, result.err().map(|error| error.to_string()))
    }

    #[test]
    fn the_content_decides_what_a_file_is() {
        assert_eq!(Codec::detect(&gzip(b"x")), Ok(Codec::Gzip));
        assert_eq!(Codec::detect(&zstd(b"x")), Ok(Codec::Zstd));
        assert_eq!(Codec::detect(b"{\"a\":1}"), Ok(Codec::Plain));
        assert_eq!(Codec::detect(b""), Ok(Codec::Plain));
        assert_eq!(Codec::detect(b"\xfd7zXZ\0"), Ok(Codec::Xz));
        assert_eq!(Codec::detect(b"BZh91AY"), Ok(Codec::Bzip2));
        assert_eq!(Codec::detect(b"PK\x03\x04..").map_err(|archive| archive.name), Err("zip"));
        assert!(is_tar(&[&[b'x'; 257][..], b"ustar\0"].concat()) && !is_tar(b"ustar"));
    }

    #[test]
    fn all_members_and_frames_are_read() {
        for compress in all() {
            let all = [compress(b"one\n"), compress(b""), compress(b"two\n"), compress(b"three")].concat();
            assert_eq!(inflate(&all), (b"one\ntwo\nthree".to_vec(), None));
        }
    }

    #[test]
    fn padding_is_no_damage_and_garbage_is() {
        let padded = [gzip(b"one\n"), vec![0; 1000]].concat();
        assert_eq!(inflate(&padded), (b"one\n".to_vec(), None));
        for garbage in [&b"garbage"[..], b"\0\0garbage", b"\x1fgarbage"] {
            let (out, error) = inflate(&[gzip(b"one\n"), garbage.to_vec()].concat());
            assert_eq!(out, b"one\n");
            assert!(error.is_some(), "{garbage:?}");
        }
        for compress in all() {
            let (out, error) = inflate(&[compress(b"one\n"), b"garbage".to_vec()].concat());
            assert_eq!((out, error.is_some()), (b"one\n".to_vec(), true));
        }
    }

    #[test]
    fn an_archive_cut_anywhere_gives_its_beginning_and_an_error() {
        let text: Vec<u8> =
            (0..2000).flat_map(|n: u32| format!("line {n} {}\n", n * 7919).into_bytes()).collect();
        for compress in all() {
            let whole = compress(&text);
            for cut in (6..whole.len()).step_by(97) {
                let (out, error) = inflate(&whole[..cut]);
                assert!(text.starts_with(&out), "cut at {cut}");
                assert!(error.is_some(), "cut at {cut} of {}", whole.len());
            }
        }
    }

    #[test]
    fn a_wrong_checksum_is_damage() {
        let mut damaged = gzip(b"one\ntwo\n");
        let checksum = damaged.len() - 8;
        damaged[checksum] ^= 1;
        let (out, error) = inflate(&damaged);
        assert_eq!((out, error.is_some()), (b"one\ntwo\n".to_vec(), true));
    }
}
