//! What an error of an object store means, decided in one place.
//!
//! The crate gives the status of an answer as a text only, and so it is read out of that; a test puts
//! every status through the crate to hold it to this. Of the body of an answer nothing is shown but the
//! code and the message that stores put there for people: the rest can hold signatures.

use std::error::Error as StdError;

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

use super::Failure;
use crate::error::unnumbered;

/// What became of a conditional write that did not succeed.
pub(super) enum Outcome {
    Refused,
    Unknown(String),
    Failed(Failure),
}

pub(super) fn outcome(error: &Error) -> Outcome {
    let Some(answer) = Status::of(error) else {
        return match failure(error) {
            Failure::Away(why) => Outcome::Unknown(why),
            failure => Outcome::Failed(failure),
        };
    };
    match (answer.status, answer.code.as_deref()) {
        (_, Some("NoSuchBucket" | "ContainerNotFound")) => Outcome::Failed(answer.failure()),
        // Only S3 asks to try again so; Azure says that the object is there.
        (409, Some("BlobAlreadyExists")) | (412 | 304 | 404, _) => Outcome::Refused,
        (409, _) => Outcome::Unknown(answer.words()),
        _ => match answer.failure() {
            Failure::Away(why) => Outcome::Unknown(why),
            failure => Outcome::Failed(failure),
        },
    }
}

pub(super) fn failure(error: &Error) -> Failure {
    if asks_for_credentials(error) {
        return Failure::Denied(
            "no credentials were found in the environment, and the machine has none of its own; see \"Credentials\" in \
             the manual's page on buckets"
                .to_owned(),
        );
    }
    if let Some(answer) = Status::of(error) {
        return answer.failure();
    }
    match error {
        Error::NotFound { .. } => return Failure::Missing("there is no such object".to_owned()),
        Error::Precondition { .. } | Error::NotModified { .. } => return Failure::Changed,
        _ => {}
    }
    if chain(error).any(|cause| cause.to_string().contains("redirect without LOCATION")) {
        return Failure::Denied(
            "the store says that the bucket is elsewhere; name its region (region=… in the URL, or AWS_REGION)".to_owned(),
        );
    }
    if let Some(error) = chain(error).find_map(|cause| cause.downcast_ref::<HttpError>()) {
        return transport(error);
    }
    let last = chain(error).last().map(ToString::to_string).unwrap_or_default();
    Failure::Broken(crate::error::secret::masked(&shortened(&last)))
}

/// Where nothing is configured, the crate asks the machine's own service for credentials at this address.
fn asks_for_credentials(error: &Error) -> bool {
    let text = error.to_string();
    ["169.254.169.254", "metadata.google.internal"].iter().any(|host| text.contains(host))
}

pub(super) fn transport(error: &HttpError) -> Failure {
    let cause = chain(error).last().map(ToString::to_string).unwrap_or_default();
    let cause = shortened(&cause);
    match error.kind() {
        _ if cause.contains("certificate") => {
            Failure::Denied(format!("the store cannot be trusted: {cause}"))
        }
        _ if cause.contains("scheme is not allowed") => Failure::Denied(
            "the endpoint speaks plain http; allow that with allow_http=true in the URL, or use https"
                .to_owned(),
        ),
        HttpErrorKind::Connect => Failure::Away(format!("no connection: {cause}")),
        HttpErrorKind::Timeout => Failure::Away("the store has not answered in time".to_owned()),
        _ => Failure::Away(format!("the connection broke: {cause}")),
    }
}

fn chain<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// What a store answered.
struct Status {
    status: u16,
    code: Option<String>,
    message: Option<String>,
}

impl Status {
    fn of(error: &Error) -> Option<Status> {
        const MARK: &str = "non-2xx status code: ";
        let text = chain(error).last()?.to_string();
        let after = &text[text.find(MARK)? + MARK.len()..];
        let digits = after.split(|ch: char| !ch.is_ascii_digit()).next()?;
        let tag = |tag: &str| {
            let start = after.find(&format!("<{tag}>"))? + tag.len() + 2;
            let length = after[start..].find("</")?;
            Some(shortened(&after[start..start + length])).filter(|text| !text.is_empty())
        };
        Some(Status { status: digits.parse().ok()?, code: tag("Code"), message: tag("Message") })
    }

    fn failure(&self) -> Failure {
        let words = self.words();
        match (self.status, self.code.as_deref()) {
            (_, Some("NoSuchBucket" | "ContainerNotFound")) => {
                Failure::Denied(format!("{words}; create the bucket, or name one that exists"))
            }
            (404, _) => Failure::Missing("there is no such object".to_owned()),
            (412 | 304 | 416, _) => Failure::Changed,
            (401 | 403, _) | (400, Some("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired")) => {
                Failure::Denied(format!(
                    "{words}; are the credentials in the environment right, and do they permit this?"
                ))
            }
            (300..400, _) | (400, Some("AuthorizationHeaderMalformed")) => {
                Failure::Denied(format!("{words}; is its region right (region=… in the URL, or AWS_REGION)?"))
            }
            // What it does not know it will not learn.
            (501, _) => Failure::Broken(words),
            (408 | 409 | 425 | 429 | 500.., _) => Failure::Away(words),
            _ => Failure::Broken(words),
        }
    }

    fn words(&self) -> String {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => format!("the store answers {} {code}: {message}", self.status),
            (Some(code), None) => format!("the store answers {} {code}", self.status),
            _ => format!("the store answers {}", self.status),
        }
    }
}

/// One line of a bearable length.
pub(super) fn shortened(text: &str) -> String {
    const MAX: usize = 200;
    unnumbered(&text.lines().next().unwrap_or_default().trim()).chars().take(MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use bytes::Bytes;

    use crate::bucket::{Bucket, Failure, Swap, Version};

    /// A bucket whose server gives the same answer to everything, or hangs up.
    fn answering(answer: &str) -> Bucket {
        let listener = TcpListener::bind("127.0.0.1:0").expect("it is there");
        let port = listener.local_addr().expect("it is there").port();
        let answer = answer.to_owned();
        std::thread::spawn(move || {
            for line in listener.incoming() {
                let mut line = line.expect("a connection");
                read_request(&mut line);
                let _ = line.write_all(answer.as_bytes());
            }
        });
        Bucket::open(&format!(
            "s3://bkt/p?endpoint=http://127.0.0.1:{port}&allow_http=true&region=us-east-1&anonymous=true"
        ))
        .expect("it is there")
    }

    /// Reads all of a request: what hangs up on one that is half read is taken for a line that broke.
    fn read_request(line: &mut TcpStream) {
        let (mut request, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
            if let Some(end) = text.find("\r\n\r\n") {
                let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
                let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
                if request.len() >= end + 4 + length {
                    return;
                }
            }
            match line.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(read) => request.extend_from_slice(&piece[..read]),
            }
        }
    }

    fn error(status: &str, code: &str) -> String {
        let body =
            format!("<Error><Code>{code}</Code><Message>So it is</Message><Sign>hushhush</Sign></Error>");
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn conditional_writes_are_told_as_what_they_are() {
        let old = Version("\"old\"".to_owned());
        for expected in [None, Some(&old)] {
            let put = |answer: &str| answering(answer).put_if("k", Bytes::from_static(b"x"), expected);
            assert_eq!(put(&error("412 Precondition Failed", "PreconditionFailed")), Ok(Swap::Refused));
            assert_eq!(put(&error("409 Conflict", "BlobAlreadyExists")), Ok(Swap::Refused));
            for lost in [
                error("409 Conflict", "ConditionalRequestConflict"),
                error("503 Slow Down", "SlowDown"),
                error("500 Internal Server Error", "InternalError"),
                String::new(),
            ] {
                assert!(matches!(put(&lost), Ok(Swap::Unknown(_))), "{lost}");
            }
            let denied = put(&error("403 Forbidden", "AccessDenied")).expect_err("it is denied");
            assert!(matches!(&denied, Failure::Denied(why) if why.contains("403 AccessDenied: So it is")));
            assert!(!denied.to_string().contains("hushhush"));
            let no_bucket = put(&error("404 Not Found", "NoSuchBucket"));
            assert!(matches!(no_bucket, Err(Failure::Denied(_))), "{no_bucket:?}");
        }
    }

    #[test]
    fn an_outage_is_told_apart_from_a_refusal() {
        let head = |status: &str, code: &str| answering(&error(status, code)).get("k").expect_err(code);
        assert!(answering(&error("404 Not Found", "NoSuchKey")).get("k").expect("it is there").is_none());
        assert!(matches!(head("404 Not Found", "NoSuchBucket"), Failure::Denied(_)));
        assert!(matches!(head("403 Forbidden", "InvalidAccessKeyId"), Failure::Denied(_)));
        assert!(matches!(head("400 Bad Request", "ExpiredToken"), Failure::Denied(_)));
        assert!(matches!(head("400 Bad Request", "InvalidArgument"), Failure::Broken(_)));
        assert!(matches!(head("301 Moved", "PermanentRedirect"), Failure::Denied(_)));
        assert!(matches!(head("412 Precondition Failed", "PreconditionFailed"), Failure::Changed));
        assert!(head("503 Slow Down", "SlowDown").is_outage());
        assert!(matches!(head("501 Not Implemented", "NotImplemented"), Failure::Broken(_)));
        let closed = Bucket::open("s3://bkt?endpoint=http://127.0.0.1:1&allow_http=true&anonymous=true")
            .expect("it is there");
        assert!(closed.get("k").expect_err("nobody listens").is_outage());
        let plain = Bucket::open("s3://bkt?endpoint=http://127.0.0.1:1&anonymous=true").map(|_| ());
        assert!(plain.expect_err("refused").to_string().contains("allow_http=true"));
    }
}
