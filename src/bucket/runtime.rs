//! The thread for asynchronous code.
//!
//! The clients of object stores need tokio; the rest of the program does not use it. Their calls run on this thread, and
//! the caller waits for the answer.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, sync_channel};

use tokio::runtime::{Builder, Handle};

use crate::error::{Error, Result};

static RUNTIME: OnceLock<Handle> = OnceLock::new();

/// Starts the thread, unless it runs.
pub fn start() -> Result<()> {
    if RUNTIME.get().is_some() {
        return Ok(());
    }
    // Clients of TLS use the default of the process. It may have been installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let failed = |cause: std::io::Error| Error::no_thread("the thread for buckets", &cause);
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let handle = runtime.handle().clone();
    // Of two that start at once, the slower one gives its runtime back.
    if RUNTIME.set(handle).is_ok() {
        std::thread::Builder::new()
            .name("buckets".to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))
            .map_err(failed)?;
    }
    Ok(())
}

/// Runs a future on the thread, which must have been started. Its result arrives at the receiver.
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = sync_channel(1);
    if let Some(runtime) = RUNTIME.get() {
        runtime.spawn(async move {
            // The caller may have stopped waiting.
            let _ = sender.send(future.await);
        });
    }
    receiver
}
