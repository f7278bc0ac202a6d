//! A private browser for one test, which records what a page does in it.
//!
//! The test drives it over a pair of pipes with the DevTools protocol. No host name resolves in it.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::run::Process;
use super::{PATIENCE, skip};

const PROGRAM: &str = "/usr/bin/chromium";

/// How a page is displayed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) width: u32,
    pub(crate) is_dark: bool,
}

/// A browser with one page.
pub(crate) struct Browser {
    // Declared first, so that the process ends before its folder is deleted.
    process: Process,
    folder: tempfile::TempDir,
    to: File,
    from: Receiver<Value>,
    asked: u64,
    session: Option<String>,
    /// URLs that the page requested, from a network or from disk.
    requests: Vec<String>,
    /// Errors of scripts, violations of the content policy, and the browser's own warnings.
    complaints: Vec<String>,
}

impl Browser {
    #[track_caller]
    pub(crate) fn start() -> Browser {
        if !Path::new(PROGRAM).exists() {
            skip("chromium is not installed");
        }
        let folder = tempfile::tempdir().unwrap();
        let pipes = ["to", "from"].map(|name| folder.path().join(name));
        assert!(Command::new("mkfifo").args(&pipes).status().unwrap().success());
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 3<\"$TO\" 4>\"$FROM\"", PROGRAM]);
        command.env("TO", &pipes[0]).env("FROM", &pipes[1]).env("HOME", folder.path());
        command.args(["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"]);
        command.args([
            "--no-first-run",
            "--disable-sync",
            "--disable-component-update",
            "--disable-extensions",
        ]);
        command.args(["--disable-background-networking", "--disable-dev-shm-usage", "--hide-scrollbars"]);
        command.arg("--host-resolver-rules=MAP * ~NOTFOUND");
        command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::spawn(&mut command);
        // Opening a pipe blocks until the shell opens the other end, so the order is that of the shell.
        let to = OpenOptions::new().write(true).open(&pipes[0]).unwrap();
        let from = messages(File::open(&pipes[1]).unwrap());
        let (requests, complaints) = (Vec::new(), Vec::new());
        let mut browser =
            Browser { process, folder, to, from, asked: 0, session: None, requests, complaints };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attached);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Opens a file and waits until it is drawn.
    #[track_caller]
    pub(crate) fn open(&mut self, path: &Path, view: View) {
        let screen = json!({"width": view.width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", screen);
        let scheme = if view.is_dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", features);
        self.requests.clear();
        self.complaints.clear();
        let path = path.canonicalize().unwrap();
        self.call("Page.navigate", json!({"url": format!("file://{}", path.display())}));
        while self.next()["method"] != "Page.loadEventFired" {}
        // Events of requests that began meanwhile arrive before the answer to this.
        self.ask("new Promise(done => requestAnimationFrame(() => setTimeout(done, 200)))");
    }

    /// The URLs requested since the page was opened, its own among them.
    pub(crate) fn requests(&self) -> &[String] {
        &self.requests
    }

    /// The complaints since the page was opened.
    pub(crate) fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Evaluates an expression in the page.
    #[track_caller]
    pub(crate) fn ask(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", asked);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// A PNG screenshot of the whole page.
    #[track_caller]
    pub(crate) fn picture(&mut self) -> Vec<u8> {
        bytes(&self.call("Page.captureScreenshot", json!({"captureBeyondViewport": true})))
    }

    /// The printed page, as PDF.
    #[track_caller]
    pub(crate) fn print(&mut self) -> Vec<u8> {
        bytes(&self.call("Page.printToPDF", json!({"printBackground": false})))
    }

    #[track_caller]
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.send(method, parameters);
        loop {
            let answer = self.next();
            if answer["id"] == id {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    fn send(&mut self, method: &str, parameters: Value) -> u64 {
        self.asked += 1;
        let mut message = json!({"id": self.asked, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        self.asked
    }

    /// Receives the next message, and records events of the page.
    #[track_caller]
    fn next(&mut self) -> Value {
        let message = self.from.recv_timeout(PATIENCE).unwrap_or_else(|error| {
            panic!("the browser (process {}) says nothing: {error}", self.process.id())
        });
        let parameters = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => {
                self.requests.push(parameters["request"]["url"].as_str().unwrap_or_default().to_owned());
            }
            "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded" => {
                self.complaints.push(parameters.to_string());
            }
            "Page.javascriptDialogOpening" => {
                self.complaints.push(parameters.to_string());
                self.send("Page.handleJavaScriptDialog", json!({"accept": true}));
            }
            _ => {}
        }
        message
    }

    /// A folder that belongs to this browser.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Reads the browser's messages on a thread and passes them on.
fn messages(from: File) -> Receiver<Value> {
    let (give, take) = channel();
    std::thread::spawn(move || {
        for message in BufReader::new(from).split(0) {
            let Ok(message) = message else { return };
            if give.send(serde_json::from_slice(&message).unwrap()).is_err() {
                return;
            }
        }
    });
    take
}

fn bytes(answer: &Value) -> Vec<u8> {
    STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
}
