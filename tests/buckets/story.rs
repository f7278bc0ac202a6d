//! A job into a folder of objects, and what must be in that.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::harness::cloud::{Bucket, Cloud};
#[cfg(feature = "buckets")]
use crate::harness::gcs::Gcs;
use crate::harness::run::{Process, needs_failpoints};
use crate::harness::{logmill, wait_for};

/// A job with its files and its bucket: a folder, unless it is told otherwise.
pub(crate) struct Story {
    folder: tempfile::TempDir,
    cloud: Option<Bucket<'static>>,
    #[cfg(feature = "buckets")]
    gcs: Option<Gcs>,
    /// The endpoint that the program is told, where it is not the server's own.
    endpoint: Option<String>,
    destination: String,
    pipeline: String,
    state: String,
    fields: String,
    files: String,
}

/// A run that has ended.
pub(crate) struct Ended(Output);

/// A run that is going on.
pub(crate) struct Going {
    process: Process,
    out: PathBuf,
    said: PathBuf,
}

/// Lines for a story, a few of them bad, from an id on. They are of five days.
pub(crate) fn lines(from: usize, count: usize) -> String {
    let mut text = String::new();
    for id in from..from + count {
        text += &match id % 23 {
            7 => format!("{{\"id\":\"x{id}\"}}\n"),
            11 => "\n".to_owned(),
            13 => format!("{{\"id\":{id},\"at\":null,\"note\":\"\\\"a\\\"\\n\u{fc}\"}}\r\n"),
            _ => format!(
                "{{\"id\":{id},\"at\":\"2024-03-0{}T12:00:00.5Z\",\"note\":\"{}\"}}\n",
                id % 5 + 1,
                "n".repeat(id % 40)
            ),
        };
    }
    text
}

pub(crate) fn is_letters(key: &str) -> bool {
    key.starts_with("dead-letters/")
}

impl Story {
    pub(crate) fn new() -> Story {
        Story {
            folder: tempfile::tempdir().unwrap(),
            cloud: None,
            #[cfg(feature = "buckets")]
            gcs: None,
            endpoint: None,
            destination: "as = \"ndjson\"\nobject_size = \"4KiB\"".to_owned(),
            pipeline: "threads = 2\nchunk_size = \"300B\"\nretry_for = \"5s\"".to_owned(),
            state: String::new(),
            fields: String::new(),
            files: "*.ndjson".to_owned(),
        }
    }

    /// Into a bucket of a server.
    pub(crate) fn to(mut self, cloud: &'static Cloud) -> Story {
        self.cloud = Some(cloud.bucket());
        self
    }

    /// Into a bucket of Google's, as far as that is imitated.
    #[cfg(feature = "buckets")]
    pub(crate) fn at_gcs(mut self) -> Story {
        self.gcs = Some(Gcs::start());
        self
    }

    /// By way of a proxy before the server, or straight again.
    pub(crate) fn through(mut self, endpoint: Option<String>) -> Story {
        self.endpoint = endpoint;
        self
    }

    /// A line in `[destination]`, which replaces the one of the same key.
    pub(crate) fn destination(mut self, line: &str) -> Story {
        self.destination = with(&self.destination, line);
        self
    }

    pub(crate) fn pipeline(mut self, lines: &str) -> Story {
        for line in lines.lines() {
            self.pipeline = with(&self.pipeline, line);
        }
        self
    }

    /// The lines of `[state]`.
    pub(crate) fn state(mut self, lines: &str) -> Story {
        self.state = format!("[state]\n{lines}\n");
        self
    }

    pub(crate) fn fields(mut self, line: &str) -> Story {
        self.fields = line.to_owned();
        self
    }

    /// Which files the job has.
    pub(crate) fn files(mut self, pattern: &str) -> Story {
        self.files = pattern.to_owned();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn bucket(&self) -> PathBuf {
        self.path("bucket")
    }

    fn url(&self) -> String {
        #[cfg(feature = "buckets")]
        if let Some(gcs) = &self.gcs {
            return gcs.url("some/folder");
        }
        match &self.cloud {
            Some(bucket) => bucket.url("some/folder"),
            None => format!("file://{}", self.bucket().display()),
        }
    }

    pub(crate) fn job(&self) -> PathBuf {
        let job = self.path("job.toml");
        let text = format!(
            "name = \"job\"\n[source]\nformat = \"ndjson\"\nfiles = [\"{}\"]\n[record]\ntime = \"at\"\n[record.fields]\nid = \"int\"\n\
             at = {{ type = \"timestamp\", required = false }}\nnote = {{ type = \"text\", required = false }}\n{}\n\
             [destination]\nurl = \"{}\"\ntable = \"t\"\n{}\n[pipeline]\n{}\n{}",
            self.files,
            self.fields,
            self.url(),
            self.destination,
            self.pipeline,
            self.state
        );
        // Replaced by a rename, because another run may be reading it.
        let new = self.path("job.toml.new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &job).unwrap();
        job
    }

    pub(crate) fn command(&self, name: &str, args: &[&str]) -> Ended {
        self.with_points(name, args, "")
    }

    fn with_points(&self, name: &str, args: &[&str], points: &str) -> Ended {
        Ended(self.call(name, args, points).output().unwrap())
    }

    /// A command that goes on by itself, and stops or is killed where the points say.
    pub(crate) fn start_command(&self, name: &str, args: &[&str], points: &str) -> Going {
        let number = fastrand::u32(..);
        let (out, said) = (self.path(&format!("out{number}")), self.path(&format!("said{number}")));
        let mut command = self.call(name, args, points);
        command.stdin(Stdio::null()).stdout(fs::File::create(&out).unwrap());
        command.stderr(fs::File::create(&said).unwrap());
        Going { process: Process::spawn(&mut command), out, said }
    }

    /// The same of a load.
    pub(crate) fn start(&self, args: &[&str], points: &str) -> Going {
        self.start_command("load", args, points)
    }

    fn call(&self, name: &str, args: &[&str], points: &str) -> Command {
        let mut command: Command = logmill();
        command.args(name.split(' ')).args(["--output", "json", "-j"]).arg(self.job()).args(args);
        if let Some(bucket) = &self.cloud {
            command.envs(bucket.cloud.variables());
        }
        if let Some(endpoint) = &self.endpoint {
            command.env("AWS_ENDPOINT", endpoint);
        }
        if !points.is_empty() {
            needs_failpoints();
            command.env("FAILPOINTS", points);
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.command("load", args)
    }

    /// Runs into a kill at a point, once it has passed it so many times. False if it came to its end instead.
    pub(crate) fn is_killed_at(&self, point: &str, passed: usize) -> bool {
        self.is_killed("load", &["--take-over"], point, passed)
    }

    /// The same of any command.
    pub(crate) fn is_killed(&self, name: &str, args: &[&str], point: &str, passed: usize) -> bool {
        let before = if passed == 0 { String::new() } else { format!("{passed}*off->") };
        let ended = self.with_points(name, args, &format!("{point}={before}return(kill)"));
        ended.0.status.code().is_none()
    }

    /// Everything in the bucket but its state and drafts.
    pub(crate) fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let mut objects = BTreeMap::new();
        let below = |key: String| key.strip_prefix("some/folder/").map(str::to_owned);
        #[cfg(feature = "buckets")]
        if let Some(gcs) = &self.gcs {
            objects.extend(gcs.objects().into_iter().filter_map(|(key, bytes)| Some((below(key)?, bytes))));
        }
        match &self.cloud {
            // As AWS's own client sees it.
            Some(bucket) => {
                objects.extend(
                    bucket.objects().into_iter().filter_map(|(key, bytes)| Some((below(key)?, bytes))),
                );
            }
            None => gather(&self.bucket(), &self.bucket(), &mut objects),
        }
        objects.retain(|key, _| !key.starts_with("_logmill/"));
        // Letters name the file that they came from, which each story has elsewhere.
        let here = format!("{}/", self.folder.path().display());
        for (_, bytes) in objects.iter_mut().filter(|(key, _)| is_letters(key)) {
            *bytes = String::from_utf8(std::mem::take(bytes)).unwrap().replace(&here, "").into_bytes();
        }
        objects
    }

    /// Loses the state that lies beside the objects of a server.
    pub(crate) fn remove_state(&self) {
        let bucket = self.cloud.as_ref().unwrap();
        bucket.cloud.boto(&["remove", &bucket.name, "some/folder/_logmill/"]);
    }

    /// The rows in it.
    pub(crate) fn rows(&self) -> Vec<Value> {
        let objects = self.objects();
        let of_rows = objects.iter().filter(|(key, _)| !is_letters(key));
        of_rows.flat_map(|(key, bytes)| values(&plain(key, bytes))).collect()
    }

    /// The dead letters in it.
    pub(crate) fn letters(&self) -> Vec<Value> {
        let objects = self.objects();
        let letters = objects.iter().filter(|(key, _)| is_letters(key));
        letters.flat_map(|(_, bytes)| values(bytes)).collect()
    }

    /// What the files say: the rows, by what identifies them.
    pub(crate) fn expected(&self) -> Vec<String> {
        self.read().0
    }

    /// What must be there of the files: rows and letters.
    fn read(&self) -> (Vec<String>, Vec<String>) {
        let (mut rows, mut letters) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "ndjson") {
                continue;
            }
            let (text, mut offset) = (fs::read_to_string(&path).unwrap(), 0);
            for line in text.split_inclusive('\n') {
                let record = line.trim_end_matches(['\r', '\n']);
                if !record.trim().is_empty() {
                    let value: Value = serde_json::from_str(record).unwrap();
                    match value["id"].is_i64() {
                        true => rows.push(identity(&value, offset)),
                        false => letters.push(format!("{offset} {record}")),
                    }
                }
                offset += line.len();
            }
        }
        rows.sort();
        letters.sort();
        (rows, letters)
    }

    /// All of the files is there, and once.
    #[track_caller]
    pub(crate) fn check_complete(&self) {
        let (rows, letters) = self.read();
        assert_eq!(self.found(), (rows, letters));
    }

    /// Nothing is there twice, and nothing that is not in the files.
    #[track_caller]
    pub(crate) fn check_partial(&self) {
        let ((rows, letters), (found, found_letters)) = (self.read(), self.found());
        for (what, found, all) in [("row", found, rows), ("letter", found_letters, letters)] {
            assert!(found.windows(2).all(|two| two[0] != two[1]), "a {what} is there twice: {found:?}");
            assert!(found.iter().all(|one| all.contains(one)), "a {what} is in no file");
        }
    }

    fn found(&self) -> (Vec<String>, Vec<String>) {
        let offset = |value: &Value, name: &str| usize::try_from(value[name].as_u64().unwrap()).unwrap();
        let rows = self.rows();
        let mut rows: Vec<String> =
            rows.iter().map(|row| identity(row, offset(row, "source_offset"))).collect();
        let letters = self.letters();
        let mut letters: Vec<String> = letters
            .iter()
            .map(|letter| format!("{} {}", offset(letter, "offset"), letter["raw"].as_str().unwrap()))
            .collect();
        rows.sort();
        letters.sort();
        (rows, letters)
    }
}

/// A row, by all that is in it; the name of its source aside, which has a test of its own.
fn identity(row: &Value, offset: usize) -> String {
    let at = row["at"].as_str().map(|at| at.trim_end_matches('Z').to_owned());
    let at = at.map(|at| if at.contains('.') { at } else { at + ".0" });
    let at = at.map(|at| at.trim_end_matches('0').to_owned());
    json!([offset, row["id"], at, row["note"]]).to_string()
}

fn with(lines: &str, line: &str) -> String {
    let key = |line: &str| line.split('=').next().map(str::trim).map(str::to_owned);
    let others = lines.lines().filter(|old| key(old) != key(line));
    others.chain([line]).map(|line| format!("{line}\n")).collect()
}

fn gather(root: &Path, folder: &Path, objects: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            gather(root, &path, objects);
        } else if !(name.starts_with('.') && name.ends_with(".draft")) {
            let key = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            objects.insert(key, fs::read(&path).unwrap());
        }
    }
}

fn plain(key: &str, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match key.rsplit('.').next() {
        #[cfg(feature = "gzip")]
        Some("gz") => {
            flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
        }
        #[cfg(feature = "zstd")]
        Some("zst") => {
            zstd::stream::Decoder::new(bytes).unwrap().read_to_end(&mut plain).unwrap();
        }
        _ => plain.extend_from_slice(bytes),
    }
    plain
}

fn values(lines: &[u8]) -> Vec<Value> {
    let lines = lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

impl Going {
    /// Waits until it has stopped at its point.
    #[track_caller]
    pub(crate) fn wait_stopped(mut self) -> Going {
        assert!(self.process.stops(), "it ended instead:\n{}", self.said());
        self
    }

    /// Lets it go on.
    pub(crate) fn wake(&self) {
        self.process.signal("CONT");
    }

    /// How many KiB of memory it has taken at most, once it has ended.
    pub(crate) fn peak(&mut self) -> u64 {
        let status = format!("/proc/{}/status", self.process.id());
        let mut peak = 0;
        while self.process.status().is_none() {
            // The mark only rises, and is gone with the process.
            let text = fs::read_to_string(&status).unwrap_or_default();
            let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
            peak = mark.map_or(peak, |mark| mark.trim().parse().unwrap());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        peak
    }

    /// How it ended.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        wait_for("the load to end", || self.process.status()).code()
    }

    /// Waits for its end, with all that it has told.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let status = wait_for("the command to end", || self.process.status());
        let read = |path: &Path| fs::read(path).unwrap();
        Ended(Output { status, stdout: read(&self.out), stderr: read(&self.said) })
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }
}

impl Ended {
    pub(crate) fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    #[track_caller]
    pub(crate) fn exit(&self, code: i32) -> &Ended {
        assert_eq!(self.0.status.code(), Some(code), "{}{}", self.out(), self.err());
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.0.stdout).unwrap_or_else(|_| panic!("{}{}", self.out(), self.err()))
    }

    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        let said = self.out() + &self.err();
        assert!(said.contains(words), "not said: {words}\n{said}");
    }

    #[track_caller]
    pub(crate) fn says_nothing_of(&self, words: &str) {
        let said = self.out() + &self.err();
        assert!(!said.contains(words), "said: {words}\n{said}");
    }

    fn out(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    fn err(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }
}
