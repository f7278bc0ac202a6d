//! Services of AWS that are asked in JSON (DynamoDB, SQS): signed, and with the credentials, as buckets are.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use object_store::aws::{AmazonS3Builder, AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{HttpClient, HttpRequest, HttpResponse};
use serde_json::Value;

use super::verdict::{failure, shortened, transport};
use super::{Failure, runtime};
use crate::error::{Error, Result};

/// A service in a region.
pub struct Aws {
    service: Service,
    region: String,
    endpoint: String,
    credentials: AwsCredentialProvider,
    client: HttpClient,
}

/// Which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Tables of items.
    DynamoDb,
    /// Queues.
    Sqs,
}

/// What a URL of a service says: `SCHEME://NAME?region=…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    service: Service,
    /// The table or queue.
    pub name: String,
    region: Option<String>,
    endpoint: Option<String>,
    allow_http: bool,
}

/// What the service answered.
#[derive(Debug)]
pub enum Reply {
    /// It did it, and this is what it says.
    Done(Value),
    /// It did not, and will not.
    Refused {
        /// Its word for why.
        code: String,
        /// Its sentence.
        message: String,
        /// All of its answer.
        body: Value,
    },
}

/// How long a question may take, there and back.
const ANSWER_MAX: Duration = Duration::from_secs(30);
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// No answer is as large: a page of items has a mebibyte.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What is asked too much of, or is not itself.
const BUSY: [&str; 9] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestThrottled",
    "RequestLimitExceeded",
    "LimitExceededException",
    "TransactionInProgressException",
    "InternalServerError",
    "InternalFailure",
    "ServiceUnavailable",
];

/// Who we are is not known, or not enough.
const DENIED: [&str; 8] = [
    "AccessDeniedException",
    "AccessDenied",
    "UnrecognizedClientException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "InvalidClientTokenId",
    "MissingAuthenticationTokenException",
];

impl Service {
    fn scheme(self) -> &'static str {
        match self {
            Service::DynamoDb => "dynamodb",
            Service::Sqs => "sqs",
        }
    }

    fn target(self) -> &'static str {
        match self {
            Service::DynamoDb => "DynamoDB_20120810",
            Service::Sqs => "AmazonSQS",
        }
    }

    /// The variable that names an endpoint for this service alone.
    fn variable(self) -> &'static str {
        match self {
            Service::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            Service::Sqs => "AWS_ENDPOINT_URL_SQS",
        }
    }
}

impl Named {
    /// Reads a URL. `Err` is what is wrong with it, and quotes nothing of it.
    pub fn read(service: Service, url: &str) -> Result<Named, String> {
        let scheme = service.scheme();
        let rest = url
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix("://"))
            .ok_or_else(|| format!("it is written as {scheme}://NAME"))?;
        let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
        let is_name = |ch: char| ch.is_ascii_alphanumeric() || "-_./".contains(ch);
        if name.is_empty() || name.contains('@') || !name.chars().all(is_name) {
            return Err(format!(
                "the NAME in {scheme}://NAME consists of letters, digits, -, _ and .; credentials come \
                 from the environment"
            ));
        }
        let (mut region, mut endpoint, mut allow_http) = (None, None, false);
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=').unwrap_or((part, "")) {
                ("region", value) if !value.is_empty() => region = Some(value.to_owned()),
                ("endpoint", value) if !value.is_empty() => endpoint = Some(value.to_owned()),
                ("allow_http", value @ ("true" | "false")) => allow_http = value == "true",
                _ => {
                    return Err(format!(
                        "a URL of {scheme} takes region=NAME, endpoint=URL and allow_http=true, and credentials come \
                         from the environment"
                    ));
                }
            }
        }
        Ok(Named { service, name: name.to_owned(), region, endpoint, allow_http })
    }

    /// The URL for people.
    pub fn describe(&self) -> String {
        format!("{}://{}", self.service.scheme(), self.name)
    }

    /// The service that it is in. Nothing is asked of it yet.
    pub fn open(&self) -> Result<Aws> {
        runtime::start()?;
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = self
            .endpoint
            .clone()
            .or_else(|| variable(self.service.variable()))
            .or_else(|| variable("AWS_ENDPOINT_URL"));
        let region =
            self.region.clone().or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
        let Some(region) = region else {
            return Err(Error::connection(format!(
                "{}: no region is named; add ?region=NAME, or set AWS_REGION",
                self.describe()
            )));
        };
        let endpoint = endpoint.unwrap_or_else(|| {
            let end = if region.starts_with("cn-") { ".cn" } else { "" };
            format!("https://{}.{region}.amazonaws.com{end}", self.service.scheme())
        });
        let allow_http = self.allow_http || variable("AWS_ALLOW_HTTP").is_some_and(|value| value == "true");
        let is_meant = allow_http && endpoint.starts_with("http://");
        if !endpoint.starts_with("https://") && !is_meant {
            return Err(Error::connection(format!(
                "{}: its endpoint is not https, and others on the way can read plain http; if that is \
                 acceptable, add allow_http=true",
                self.describe()
            )));
        }
        let refused = |why: String| Error::connection(format!("{}: {why}", self.describe()));
        // Only its credentials are used: it never asks a bucket.
        let chain = AmazonS3Builder::from_env().with_bucket_name("none").with_region(&region).build();
        let chain = chain.map_err(|error| refused(failure(&error).to_string()))?;
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_MAX)
            .redirect(reqwest::redirect::Policy::none());
        let client = client.build().map_err(|error| refused(error.to_string()))?;
        Ok(Aws {
            service: self.service,
            region,
            endpoint: format!("{}/", endpoint.trim_end_matches('/')),
            credentials: Arc::clone(chain.credentials()),
            client: HttpClient::new(client),
        })
    }
}

impl Aws {
    /// Asks for an operation, once.
    pub fn ask(&self, operation: &str, body: &Value) -> Result<Reply, Failure> {
        let target = format!("{}.{operation}", self.service.target());
        let (endpoint, region) = (self.endpoint.clone(), self.region.clone());
        let (service, body) = (self.service, body.to_string());
        let (credentials, client) = (Arc::clone(&self.credentials), self.client.clone());
        let answer = runtime::spawn(async move {
            let asking = async {
                let credential = credentials.get_credential().await.map_err(|error| failure(&error))?;
                let mut request = HttpRequest::new(body.into());
                *request.method_mut() = reqwest::Method::POST;
                *request.uri_mut() = endpoint.parse().map_err(|_| not_asked("the endpoint is not a URL"))?;
                let target = target.parse().map_err(|_| not_asked("the operation is no header"))?;
                request.headers_mut().insert("x-amz-target", target);
                let kind = reqwest::header::HeaderValue::from_static("application/x-amz-json-1.0");
                request.headers_mut().insert(reqwest::header::CONTENT_TYPE, kind);
                let signer = AwsAuthorizer::new(&credential, service.scheme(), &region);
                signer.try_authorize(&mut request, None).map_err(|error| failure(&error))?;
                read(client.execute(request).await.map_err(|error| transport(&error))?).await
            };
            match tokio::time::timeout(ANSWER_MAX, asking).await {
                Ok(answer) => answer,
                Err(_) => Err(Failure::Away("the service has not answered in time".to_owned())),
            }
        });
        let (status, body) = answer.recv().map_err(|_| not_asked("its thread has ended"))??;
        judged(status, &body)
    }
}

fn not_asked(why: &str) -> Failure {
    Failure::Broken(format!("the service cannot be asked: {why}"))
}

async fn read(response: HttpResponse) -> Result<(u16, Vec<u8>), Failure> {
    let status = response.status().as_u16();
    let (mut stream, mut body) = (response.into_body().bytes_stream(), Vec::new());
    while let Some(part) = stream.next().await {
        body.extend_from_slice(&part.map_err(|error| transport(&error))?);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(Failure::Broken("the service's answer is too long".to_owned()));
        }
    }
    Ok((status, body))
}

/// What an answer means.
fn judged(status: u16, body: &[u8]) -> Result<Reply, Failure> {
    let said: Value = match serde_json::from_slice(body) {
        Ok(said) => said,
        Err(_) if body.is_empty() && status == 200 => Value::Null,
        Err(_) if status == 200 => {
            return Err(Failure::Broken("the answer is not that of such a service".to_owned()));
        }
        Err(_) => Value::Null,
    };
    if status == 200 {
        return Ok(Reply::Done(said));
    }
    let text = |names: [&str; 2]| names.iter().find_map(|name| said[*name].as_str()).unwrap_or_default();
    let code = text(["__type", "code"]);
    let code = shortened(code.rsplit('#').next().unwrap_or_default());
    let message = shortened(text(["message", "Message"]));
    let words = match (code.is_empty(), message.is_empty()) {
        (true, _) => format!("the service answers {status}"),
        (_, true) => format!("the service answers {status} {code}"),
        _ => format!("the service answers {status} {code}: {message}"),
    };
    match code.as_str() {
        _ if status >= 500 || status == 429 => Err(Failure::Away(words)),
        code if BUSY.contains(&code) => Err(Failure::Away(words)),
        code if DENIED.contains(&code) || code.starts_with("ExpiredToken") || status == 401 => {
            Err(Failure::Denied(format!(
                "{words}; are the credentials in the environment right, and do they permit this?"
            )))
        }
        "" => Err(Failure::Broken(words)),
        _ => Ok(Reply::Refused { code, message, body: said }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_names_is_read_and_no_secret_is_in_it() {
        let read = |url: &str| Named::read(Service::DynamoDb, url);
        let named =
            read("dynamodb://state?region=eu-west-1&endpoint=http://h:1&allow_http=true").expect("a table");
        assert_eq!((named.name.as_str(), named.describe().as_str()), ("state", "dynamodb://state"));
        assert_eq!((named.region.as_deref(), named.allow_http), (Some("eu-west-1"), true));
        for url in [
            "dynamodb://",
            "dynamodb://?region=x",
            "dynamodb://key:hushhush@state",
            "dynamodb://state?secret=hushhush",
            "dynamodb://state?allow_http=yes",
            "sqs://state",
        ] {
            let why = read(url).expect_err(url);
            assert!(!why.contains("hushhush"), "{why}");
        }
        let plain = read("dynamodb://state?region=x&endpoint=http://h").expect("a table").open();
        assert!(plain.err().expect("plain http").to_string().contains("allow_http=true"));
    }

    #[test]
    fn answers_are_told_apart() {
        let judge = |status: u16, code: &str| {
            judged(
                status,
                format!("{{\"__type\":\"com.amazon#{code}\",\"message\":\"so\\nhush\"}}").as_bytes(),
            )
        };
        assert!(matches!(judged(200, b"{\"a\":1}"), Ok(Reply::Done(said)) if said["a"] == 1));
        for (status, code) in [
            (500, "InternalServerError"),
            (503, ""),
            (400, "ThrottlingException"),
            (400, "ProvisionedThroughputExceededException"),
        ] {
            assert!(matches!(judge(status, code), Err(Failure::Away(_))), "{code}");
        }
        for code in ["AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"] {
            assert!(
                matches!(judge(400, code), Err(Failure::Denied(why)) if why.contains(code) && !why.contains("hush"))
            );
        }
        let refused = judge(400, "ConditionalCheckFailedException");
        assert!(
            matches!(refused, Ok(Reply::Refused { code, message, .. }) if code.starts_with("Conditional") && message == "so")
        );
        assert!(matches!(judged(200, b"<html>"), Err(Failure::Broken(_))));
        assert!(matches!(judged(404, b"<html>"), Err(Failure::Broken(_))));
    }
}
