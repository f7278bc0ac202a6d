//! A window of a memory-mapped file. The only unsafe code of the program.
//!
//! The contract, in words: the file may grow while it is mapped; bytes may change at any time; if it is
//! truncated, touching the lost part raises SIGBUS. So
//!
//! - mapped bytes stay `&[u8]`, are copied once before they are parsed, and nothing unsafe ever depends on an
//!   earlier check of them. The worst that a concurrent write can cause is a wrong copy, and
//!   `Source::still_holds` finds that before COMMIT;
//! - a handler for SIGBUS maps a page of zeros where the file ended and marks the window. The worker that
//!   copied from it calls [`Window::is_intact`] afterwards and stops the run.
//!
//! A file is mapped in windows, and each is unmapped when the last chunk in it is done, so that resident
//! memory stays bounded. No `madvise`: none of its variants was worth 3 % in measurements on a warm or a cold
//! cache.

use std::io;
use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use memmap2::{Mmap, MmapOptions};

use super::Source;

/// A mapped range of a file.
#[derive(Debug)]
pub(super) struct Window {
    map: Mmap,
    guard: usize,
}

impl Window {
    /// Maps `length` bytes of `source` from `offset`.
    pub(super) fn open(source: &Source, offset: u64, length: usize) -> io::Result<Window> {
        install_handler()?;
        // SAFETY: The contract of `map` is that the file does not change, which cannot be promised for a log.
        // The module comment argues what can go wrong: the bytes are only ever `&[u8]`, for which any value
        // is valid, and the handler catches truncation. The weak point is the language itself: it does not
        // define reading a `&[u8]` that changes meanwhile. Each relevant byte is read once, by `memchr` to
        // cut and by `copy_from_slice` to parse, and only the copy is judged.
        let map = unsafe { MmapOptions::new().offset(offset).len(length).map(source.file())? };
        let guard = guards::add(map.as_ptr() as usize, map.len())
            .ok_or_else(|| io::Error::other("more windows are mapped than are guarded"))?;
        Ok(Window { map, guard })
    }

    /// Whether every byte that was read so far was in the file.
    pub(super) fn is_intact(&self) -> bool {
        guards::is_intact(self.guard)
    }
}

impl Deref for Window {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // Before the unmapping: the address range may be reused a moment later.
        guards::remove(self.guard);
    }
}

/// The windows known to the SIGBUS handler: plain atomics, because a handler may neither lock nor allocate.
mod guards {
    use super::{AtomicBool, AtomicUsize, Ordering};

    /// There are never more windows in flight: chunks hold a permit for their bytes, and only files of at
    /// least `map_bytes_min` are mapped.
    const GUARDS_MAX: usize = 1024;

    struct Guard {
        taken: AtomicBool,
        start: AtomicUsize,
        /// Zero while the guard is inactive.
        end: AtomicUsize,
        broken: AtomicBool,
    }

    static GUARDS: [Guard; GUARDS_MAX] = [const {
        Guard {
            taken: AtomicBool::new(false),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }; GUARDS_MAX];

    pub(super) fn add(start: usize, length: usize) -> Option<usize> {
        let index = GUARDS.iter().position(|guard| {
            guard.taken.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })?;
        let guard = &GUARDS[index];
        guard.broken.store(false, Ordering::Relaxed);
        guard.start.store(start, Ordering::Relaxed);
        guard.end.store(start + length, Ordering::Release);
        Some(index)
    }

    pub(super) fn remove(index: usize) {
        GUARDS[index].end.store(0, Ordering::Release);
        GUARDS[index].taken.store(false, Ordering::Release);
    }

    pub(super) fn is_intact(index: usize) -> bool {
        !GUARDS[index].broken.load(Ordering::Acquire)
    }

    /// Marks the guard that covers `address`; false if there is none. Async-signal-safe.
    pub(super) fn break_at(address: usize) -> bool {
        for guard in &GUARDS {
            let end = guard.end.load(Ordering::Acquire);
            if address < end && address >= guard.start.load(Ordering::Relaxed) {
                guard.broken.store(true, Ordering::Release);
                return true;
            }
        }
        false
    }
}

static PAGE_BYTES: AtomicUsize = AtomicUsize::new(0);
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the SIGBUS handler, once per process.
fn install_handler() -> io::Result<()> {
    static INSTALLED: OnceLock<Option<i32>> = OnceLock::new();
    let failure = INSTALLED.get_or_init(|| {
        // SAFETY: plain system calls with arguments that live long enough; the handler does only what a
        // handler may (see there).
        unsafe {
            let page_bytes = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).unwrap_or(4096);
            PAGE_BYTES.store(page_bytes, Ordering::Release);
            let mut previous: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut previous) != 0 {
                return io::Error::last_os_error().raw_os_error();
            }
            // Set before this handler is in force, so that it always finds its predecessor.
            let _ = PREVIOUS.set(previous);
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_sigbus as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            if libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) != 0 {
                return io::Error::last_os_error().raw_os_error();
            }
            None
        }
    });
    match failure {
        None => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(*code)),
    }
}

/// Maps a page of zeros at the address that faulted and marks its window; a fault outside of all windows goes
/// to the previous handler.
extern "C" fn on_sigbus(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: Everything done here is safe in a handler on Linux: atomics, `mmap` (a bare system call) and
    // `sigaction`. The address comes from the kernel; it is only mapped over if it lies in a range that this
    // program mapped and has not yet given up, so no other memory is replaced.
    unsafe {
        let address = (*info).si_addr() as usize;
        if guards::break_at(address) {
            let page_bytes = PAGE_BYTES.load(Ordering::Acquire);
            let page = address & !(page_bytes - 1);
            let patched = libc::mmap(
                page as *mut libc::c_void,
                page_bytes,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            );
            if patched != libc::MAP_FAILED {
                return;
            }
        }
        match PREVIOUS.get() {
            Some(previous)
                if previous.sa_sigaction > libc::SIG_IGN && previous.sa_flags & libc::SA_SIGINFO != 0 =>
            {
                let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                    std::mem::transmute(previous.sa_sigaction);
                handler(signal, info, context);
            }
            // There is no previous handler with these arguments: the default one ends the process when the
            // instruction faults again.
            _ => {
                libc::signal(libc::SIGBUS, libc::SIG_DFL);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_cut_while_mapped_is_an_error_and_not_a_crash() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&vec![b'x'; 1 << 20]).expect("written");
        let source = Source::open(file.path()).expect("opened");
        let window = Window::open(&source, 0, 1 << 20).expect("mapped");
        assert!(window.is_intact());

        file.as_file().set_len(100_000).expect("cut");
        let copy = window.to_vec();
        assert!(!window.is_intact());
        assert_eq!(copy.len(), 1 << 20);
        assert!(copy[..100_000].iter().all(|&byte| byte == b'x'));
        // The rest of the last page is zero, and so is every page after it, whatever their size.
        assert!(copy[100_000..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn a_guard_is_free_again_after_its_window() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&[b'x'; 8192]).expect("written");
        let source = Source::open(file.path()).expect("opened");
        for _ in 0..5000 {
            let window = Window::open(&source, 0, 8192).expect("a guard is free");
            assert!(window.is_intact());
        }
    }
}
