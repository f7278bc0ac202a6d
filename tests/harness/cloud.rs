//! Servers that stand in for cloud services. Each has its strengths:
//!
//! | server | purpose |
//! |---|---|
//! | SeaweedFS | an S3 that checks signatures, digests and conditions |
//! | moto | DynamoDB, SQS, and an S3 that starts at once; it checks no signature |
//! | rclone | an S3 that accepts conditional writes and ignores the condition |
//! | Azurite | Azure's blobs |

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::local::{Local, http, tool};
use super::{skip_here, wait_until};

/// A running stand-in.
pub(crate) struct Cloud {
    local: Local,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Seaweed,
    Moto,
    Rclone,
    Azurite,
}

/// The account with full access. SeaweedFS and rclone check its signature.
const KEY_ID: &str = "logmilltest";
pub(crate) const SECRET: &str = "geheim-a8Qx/73+tQ";

/// The well-known account of every Azurite. Its key is no secret.
const AZURE_ACCOUNT: &str = "devstoreaccount1";

impl Cloud {
    /// The SeaweedFS that tests share.
    #[track_caller]
    pub(crate) fn seaweed() -> &'static Cloud {
        static SHARED: OnceLock<Cloud> = OnceLock::new();
        tool("seaweedfs", "weed");
        SHARED.get_or_init(Cloud::own_seaweed)
    }

    /// A SeaweedFS for one test, which the test may stop.
    #[track_caller]
    pub(crate) fn own_seaweed() -> Cloud {
        let weed = tool("seaweedfs", "weed");
        let is_ready = |port| http(port, "GET", "/healthz", "").is_some_and(|(status, _)| status == 200);
        let local = Local::start("SeaweedFS", 10, is_ready, move |folder, ports| {
            let mut command = Command::new(&weed);
            command.args(["mini", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"]);
            command.args(["-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
            for (flag, port) in SEAWEED_PORTS.iter().zip(ports) {
                command.arg(format!("-{flag}={port}"));
            }
            for socket in ["s3", "filer"] {
                command.arg(format!("-{socket}.localSocket={}/{socket}.sock", folder.display()));
            }
            command.arg(format!("-dir={}", folder.display())).env("HOME", folder);
            command.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET);
            // The paths of these sockets cannot be configured.
            let litter = ports.iter().map(|port| format!("/tmp/seaweedfs-*-{port}.sock "));
            command.env("LITTER", litter.collect::<String>());
            command
        });
        let cloud = Cloud { local, kind: Kind::Seaweed };
        // The health check succeeds before the server can store an object.
        wait_until("SeaweedFS to take an object", || {
            cloud.try_boto(&["put", "ready", "ready", ""]).is_some()
        });
        cloud
    }

    /// The moto that tests share.
    #[track_caller]
    pub(crate) fn moto() -> &'static Cloud {
        static SHARED: OnceLock<Cloud> = OnceLock::new();
        tool("moto", "moto_server");
        SHARED.get_or_init(|| {
            let moto = tool("moto", "moto_server");
            let is_ready = |port| http(port, "GET", "/moto-api/", "").is_some();
            let local = Local::start("moto", 1, is_ready, move |_, ports| {
                let mut command = Command::new(&moto);
                command.args(["-H", "127.0.0.1", "-p", &ports[0].to_string()]);
                command
            });
            Cloud { local, kind: Kind::Moto }
        })
    }

    /// An S3 that ignores conditions.
    #[track_caller]
    pub(crate) fn rclone() -> Cloud {
        let rclone = tool("rclone", "rclone");
        let is_ready = |port| http(port, "GET", "/", "").is_some();
        let local = Local::start("rclone", 1, is_ready, move |folder, ports| {
            let mut command = Command::new(&rclone);
            command.args(["serve", "s3", "--config", "", "--addr", &format!("127.0.0.1:{}", ports[0])]);
            command.args(["--auth-key", &format!("{KEY_ID},{SECRET}")]).arg(folder.join("served"));
            std::fs::create_dir_all(folder.join("served")).unwrap();
            command
        });
        Cloud { local, kind: Kind::Rclone }
    }

    /// The Azurite that tests share. It is an npm package, which not every machine can install.
    pub(crate) fn azurite() -> &'static Cloud {
        static SHARED: OnceLock<Cloud> = OnceLock::new();
        if !std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/azurite/installed"))
            .exists()
        {
            skip_here("Azurite is not installed: `.ci/tools azurite` does it");
        }
        SHARED.get_or_init(|| {
            let azurite = tool("azurite", "azurite-blob");
            let is_ready = |port| http(port, "GET", "/", "").is_some();
            let local = Local::start("Azurite", 1, is_ready, move |folder, ports| {
                let mut command = Command::new(&azurite);
                command
                    .args(["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--location"])
                    .arg(folder);
                command.args(["--blobHost", "127.0.0.1", "--blobPort", &ports[0].to_string()]);
                command
            });
            Cloud { local, kind: Kind::Azurite }
        })
    }

    /// Kills the server.
    pub(crate) fn stop(&self) {
        self.local.stop();
    }

    /// Starts the server again with the data it had.
    #[track_caller]
    pub(crate) fn again(&self) {
        self.local.again();
    }

    pub(crate) fn port(&self) -> u16 {
        self.local.port()
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// A name that no other test uses, for a bucket, a queue or a table.
    pub(crate) fn name(&self, what: &str) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        format!("{what}{}", COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// Creates a bucket.
    #[track_caller]
    pub(crate) fn bucket(&self) -> Bucket<'_> {
        let name = self.name("test");
        let what = if self.kind == Kind::Azurite { "container" } else { "bucket" };
        self.boto(&[what, &name]);
        Bucket { cloud: self, name }
    }

    /// Environment variables with the address and the credentials.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        match self.kind {
            Kind::Azurite => vec![
                ("AZURE_STORAGE_ACCOUNT_NAME", AZURE_ACCOUNT.to_owned()),
                ("AZURE_STORAGE_USE_EMULATOR", "true".to_owned()),
                ("AZURITE_BLOB_STORAGE_URL", self.endpoint()),
            ],
            _ => vec![
                ("AWS_ACCESS_KEY_ID", KEY_ID.to_owned()),
                ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
                ("AWS_REGION", "us-east-1".to_owned()),
                ("AWS_ENDPOINT", self.endpoint()),
                ("AWS_ALLOW_HTTP", "true".to_owned()),
            ],
        }
    }

    /// Runs a command of boto.py, which uses AWS's own client, and returns its answer.
    #[track_caller]
    pub(crate) fn boto(&self, words: &[&str]) -> Value {
        self.try_boto(words).unwrap_or_else(|| panic!("boto3 cannot {words:?}"))
    }

    fn try_boto(&self, words: &[&str]) -> Option<Value> {
        let mut command = Command::new(tool("moto", "python3"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/harness/boto.py")).arg(self.endpoint());
        command.args(words).stdin(Stdio::null());
        command.envs(self.variables());
        let output = command.output().unwrap();
        if !output.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        Some(serde_json::from_slice(&output.stdout).unwrap())
    }
}

const SEAWEED_PORTS: [&str; 10] = [
    "s3.port",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "admin.port",
    "admin.port.grpc",
];

/// A bucket that belongs to one test.
pub(crate) struct Bucket<'c> {
    pub(crate) cloud: &'c Cloud,
    pub(crate) name: String,
}

impl Bucket<'_> {
    /// The URL of the objects below a prefix.
    pub(crate) fn url(&self, prefix: &str) -> String {
        let scheme = if self.cloud.kind == Kind::Azurite { "az" } else { "s3" };
        format!("{scheme}://{}/{prefix}", self.name)
    }

    /// All objects of the bucket, by key.
    #[track_caller]
    pub(crate) fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let what = if self.cloud.kind == Kind::Azurite { "blobs" } else { "objects" };
        let Value::Object(found) = self.cloud.boto(&[what, &self.name]) else { panic!("no objects") };
        let decode = |value: Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
        found.into_iter().map(|(key, value)| (key, decode(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `count` concurrent puts of one object, each on condition that it does not exist, and returns how
    /// many were acknowledged.
    fn made(cloud: &Cloud, count: usize) -> usize {
        let bucket = cloud.bucket();
        let script = "
import sys, threading, boto3
from botocore.config import Config
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1',
                  config=Config(s3={'addressing_style': 'path'}, retries={'total_max_attempts': 1}))
done = []
def put(n):
    try:
        s3.put_object(Bucket=sys.argv[2], Key='one', Body=b'%d' % n, IfNoneMatch='*')
        done.append(n)
    except Exception as error:
        pass
threads = [threading.Thread(target=put, args=[n]) for n in range(int(sys.argv[3]))]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(done))";
        let mut command = Command::new(tool("moto", "python3"));
        command.args(["-c", script, &cloud.endpoint(), &bucket.name, &count.to_string()]);
        command.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET);
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    /// The other tests take this for granted.
    #[test]
    fn one_of_many_creates_an_object_unless_conditions_are_ignored() {
        assert_eq!(made(Cloud::seaweed(), 8), 1);
        assert_eq!(made(Cloud::moto(), 8), 1);
        // Writers that meet may also fail; more than one success shows that the condition is ignored.
        assert!(made(&Cloud::rclone(), 8) > 1);
    }

    #[test]
    fn a_bucket_is_there_after_its_server_was_killed() {
        let cloud = Cloud::own_seaweed();
        let bucket = cloud.bucket();
        cloud.boto(&["put", &bucket.name, "a/b", "text"]);
        cloud.stop();
        assert!(cloud.try_boto(&["objects", &bucket.name]).is_none());
        cloud.again();
        wait_until("its objects", || cloud.try_boto(&["objects", &bucket.name]).is_some());
        assert_eq!(bucket.objects()["a/b"], b"text");
    }

    #[test]
    fn azurite_answers_and_has_an_az_url() {
        let bucket = Cloud::azurite().bucket();
        assert!(bucket.url("a").starts_with("az://"));
        let (status, _) =
            http(bucket.cloud.port(), "GET", &format!("/{AZURE_ACCOUNT}?comp=list"), "").unwrap();
        assert_eq!(status, 403, "nobody is let in without a signature");
    }

    #[test]
    fn a_wrong_secret_is_refused() {
        let cloud = Cloud::seaweed();
        let mut command = Command::new(tool("moto", "python3"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/harness/boto.py"));
        command.args([&cloud.endpoint(), "put", "ready", "x", ""]).stderr(Stdio::null());
        command.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", "another");
        assert!(!command.status().unwrap().success());
    }
}
