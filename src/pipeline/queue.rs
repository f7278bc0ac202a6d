//! Seats in line: ordered, bounded, and never waited for by a worker.
//!
//! The planner takes a seat, weighted by the bytes of its chunk, before the chunk is handed to a worker; the
//! worker fills it, in whatever order workers finish; the writer takes the fillings out in the order of the
//! seats and frees their weight when they are committed. So memory is bounded by the budget, batches come in
//! file order, and a worker's `fill` is a send that never blocks.
//!
//! The planner waits only for budget, and says so. A writer that has taken everything that was handed out
//! while the planner waits gets [`Next::Starved`] and commits what it has, which frees budget: the two can
//! never wait for each other. A seat that is dropped unfilled (its worker panicked) arrives as
//! [`Next::Lost`].

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

/// The weight of even the smallest chunk: a source, a parcel and their buffers.
const WEIGHT_MIN: usize = 4 << 10;

struct Shared {
    state: Mutex<State>,
    freed: Condvar,
    budget: usize,
    unfilled_max: usize,
}

#[derive(Default)]
struct State {
    /// The weight of all seats that are out.
    taken: usize,
    /// How many seats were issued.
    issued: u64,
    /// The number of seats that are not filled yet.
    unfilled: usize,
    /// The planner is waiting for budget.
    is_waiting: bool,
    /// The writer is gone; there is nothing left to plan for.
    is_closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, so a poisoned state is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free(&self, weight: usize) {
        self.lock().taken -= weight;
        self.freed.notify_one();
    }
}

enum Message<T> {
    Filled { number: u64, filling: Option<(T, usize)> },
    Waiting,
    Ended,
}

/// The planner's end.
pub(super) struct Front<T> {
    shared: Arc<Shared>,
    messages: Sender<Message<T>>,
}

/// A seat in line, to be filled by a worker.
pub(super) struct Seat<T> {
    number: u64,
    weight: usize,
    shared: Arc<Shared>,
    messages: Sender<Message<T>>,
    is_filled: bool,
}

/// The writer's end.
pub(super) struct Back<T> {
    shared: Arc<Shared>,
    messages: Receiver<Message<T>>,
    next: u64,
    /// Fillings that arrived before their turn; the first is that of seat `next`.
    early: VecDeque<Option<Option<(T, usize)>>>,
    has_ended: bool,
}

/// What the writer receives.
pub(super) enum Next<T> {
    /// The next filling and its weight, which [`Back::free`] gives back.
    Filling(T, usize),
    /// A worker panicked over the next seat.
    Lost,
    /// Everything that was handed out was taken, and the planner waits for budget that the writer holds.
    Starved,
    /// Nothing new came for a while; the caller can do something else.
    Quiet,
    /// There will be no more fillings.
    Ended,
}

/// A line with a budget of bytes.
///
/// The weight of a filling is known only once it is there, and it may be much greater than that of its chunk.
/// So at most `unfilled_max` seats are out unfilled.
pub(super) fn queue<T>(budget: usize, unfilled_max: usize) -> (Front<T>, Back<T>) {
    let shared = Shared { state: Mutex::default(), freed: Condvar::new(), budget, unfilled_max };
    let shared = Arc::new(shared);
    let (sender, receiver) = unbounded();
    let front = Front { shared: Arc::clone(&shared), messages: sender };
    (front, Back { shared, messages: receiver, next: 0, early: VecDeque::new(), has_ended: false })
}

impl<T> Front<T> {
    /// Takes a seat of `bytes`, waiting until there is budget for it. A seat heavier than the whole budget is
    /// given when nothing else is out. `None` if the writer is gone or `is_stopped` returns true.
    pub(super) fn reserve(&self, bytes: usize, is_stopped: &dyn Fn() -> bool) -> Option<Seat<T>> {
        let weight = bytes.max(WEIGHT_MIN);
        let mut state = self.shared.lock();
        loop {
            let has_budget = state.taken == 0 || state.taken + weight <= self.shared.budget;
            if has_budget && state.unfilled < self.shared.unfilled_max {
                break;
            }
            if state.is_closed || is_stopped() {
                // A planner that leaves no longer waits; otherwise the writer would be told so forever.
                state.is_waiting = false;
                return None;
            }
            // The workers fill their seats by themselves.
            if !has_budget && !state.is_waiting {
                state.is_waiting = true;
                // The writer may be waiting for the planner; it checks the state when it gets this message.
                let _ = self.messages.send(Message::Waiting);
            }
            let wait = self.shared.freed.wait_timeout(state, Duration::from_millis(100));
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_waiting = false;
        if state.is_closed || is_stopped() {
            return None;
        }
        state.taken += weight;
        let number = state.issued;
        state.issued += 1;
        state.unfilled += 1;
        let (shared, messages) = (Arc::clone(&self.shared), self.messages.clone());
        Some(Seat { number, weight, shared, messages, is_filled: false })
    }
}

impl<T> Drop for Front<T> {
    fn drop(&mut self) {
        let _ = self.messages.send(Message::Ended);
    }
}

impl<T> Seat<T> {
    /// Fills the seat. From here on its weight is `bytes`, what it really holds.
    pub(super) fn fill(mut self, filling: T, bytes: usize) {
        let weight = bytes.max(WEIGHT_MIN);
        {
            let mut state = self.shared.lock();
            state.taken = state.taken + weight - self.weight;
            state.unfilled -= 1;
        }
        self.shared.freed.notify_one();
        self.is_filled = true;
        let _ = self.messages.send(Message::Filled { number: self.number, filling: Some((filling, weight)) });
    }
}

impl<T> Drop for Seat<T> {
    fn drop(&mut self) {
        if !self.is_filled {
            self.shared.lock().unfilled -= 1;
            self.shared.freed.notify_one();
            let _ = self.messages.send(Message::Filled { number: self.number, filling: None });
        }
    }
}

impl<T> Back<T> {
    /// Waits for the next filling, or another event. The planner cannot starve because of a writer that
    /// `holds` nothing: whatever it held is about to be freed.
    pub(super) fn next(&mut self, holds: bool) -> Next<T> {
        loop {
            if let Some(Some(_)) = self.early.front() {
                self.next += 1;
                return match self.early.pop_front() {
                    Some(Some(Some((filling, weight)))) => Next::Filling(filling, weight),
                    _ => Next::Lost,
                };
            }
            {
                let state = self.shared.lock();
                if state.issued == self.next && self.has_ended {
                    return Next::Ended;
                }
                if state.issued == self.next && state.is_waiting && holds {
                    return Next::Starved;
                }
            }
            match self.messages.recv_timeout(Duration::from_millis(200)) {
                Ok(Message::Filled { number, filling }) => {
                    let index = usize::try_from(number - self.next).expect("bounded by the budget");
                    if self.early.len() <= index {
                        self.early.resize_with(index + 1, || None);
                    }
                    self.early[index] = Some(filling);
                }
                Ok(Message::Waiting) => {}
                Ok(Message::Ended) => self.has_ended = true,
                Err(RecvTimeoutError::Timeout) => return Next::Quiet,
                Err(RecvTimeoutError::Disconnected) => self.has_ended = true,
            }
        }
    }

    /// Frees the weight of fillings.
    pub(super) fn free(&self, weight: usize) {
        self.shared.free(weight);
    }

    /// The same, for use on another thread.
    pub(super) fn free_later(&self, weight: usize) -> impl FnOnce() + Send + use<T> {
        let shared = Arc::clone(&self.shared);
        move || shared.free(weight)
    }
}

impl<T> Drop for Back<T> {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    fn taken<T>(next: Next<T>) -> Option<(T, usize)> {
        match next {
            Next::Filling(filling, weight) => Some((filling, weight)),
            _ => None,
        }
    }

    #[test]
    fn fillings_come_in_the_order_of_their_seats() {
        let (front, mut back) = queue(1 << 20, 100);
        let seats: Vec<Seat<u64>> = (0..10).map(|_| front.reserve(1, &|| false).expect("a seat")).collect();
        for seat in seats.into_iter().rev() {
            let number = seat.number;
            seat.fill(number, 1);
        }
        drop(front);
        for number in 0..10 {
            assert_eq!(taken(back.next(true)), Some((number, WEIGHT_MIN)));
        }
        assert!(matches!(back.next(true), Next::Ended));
    }

    #[test]
    fn a_starved_planner_is_told_to_the_writer_and_goes_on_when_it_commits() {
        let (front, mut back) = queue::<u32>(3 * WEIGHT_MIN, 100);
        let planner = thread::spawn(move || {
            for number in 0..100 {
                front.reserve(1, &|| false).expect("the writer is there").fill(number, 1);
            }
        });
        let (mut held, mut seen, mut starved) = (0, 0, 0);
        loop {
            match back.next(true) {
                Next::Filling(number, weight) => {
                    assert_eq!(number, seen);
                    seen += 1;
                    held += weight;
                }
                // Nothing is freed before this: without it, both would wait forever.
                Next::Starved => {
                    starved += 1;
                    back.free(std::mem::take(&mut held));
                }
                Next::Quiet => {}
                Next::Ended => break,
                Next::Lost => panic!("no worker panicked"),
            }
        }
        assert_eq!(seen, 100);
        assert!(starved >= 33, "{starved}");
        planner.join().expect("the planner ends");
    }

    #[test]
    fn a_planner_that_is_stopped_while_it_waits_is_not_waited_for() {
        let (front, mut back) = queue(WEIGHT_MIN, 100);
        front.reserve(1, &|| false).expect("nothing else is out").fill((), 1);
        assert!(taken(back.next(true)).is_some());
        let is_asked = std::cell::Cell::new(false);
        // It waits once, and is stopped when it checks again.
        assert!(front.reserve(1, &|| is_asked.replace(true)).is_none());
        drop(front);
        assert!(matches!(back.next(true), Next::Ended));
    }

    #[test]
    fn no_more_seats_are_out_unfilled_than_are_allowed() {
        let (front, mut back) = queue(1 << 20, 2);
        let seat = front.reserve(1, &|| false).expect("nothing is out");
        let _other = front.reserve(1, &|| false).expect("one is out");
        let is_asked = std::cell::Cell::new(false);
        assert!(front.reserve(1, &|| is_asked.replace(true)).is_none());
        // The writer must not get `Starved`: it would commit too early.
        seat.fill(7, 1);
        assert_eq!(taken(back.next(true)), Some((7, WEIGHT_MIN)));
        assert!(front.reserve(1, &|| false).is_some());
    }

    #[test]
    fn one_seat_may_be_worth_more_than_the_budget() {
        let (front, mut back) = queue(WEIGHT_MIN, 100);
        front.reserve(1 << 30, &|| false).expect("nothing else is out").fill((), 1 << 30);
        let (_, weight) = taken(back.next(true)).expect("filled");
        assert!(front.reserve(1, &|| true).is_none(), "the budget is spent");
        back.free(weight);
        assert!(front.reserve(1, &|| false).is_some());
    }

    #[test]
    fn a_seat_that_is_dropped_is_lost_and_not_waited_for() {
        let (front, mut back) = queue(1 << 20, 100);
        let lost: Seat<u8> = front.reserve(1, &|| false).expect("a seat");
        front.reserve(1, &|| false).expect("a seat").fill(1, 1);
        drop(lost);
        assert!(matches!(back.next(true), Next::Lost));
        assert_eq!(taken(back.next(true)).map(|(filling, _)| filling), Some(1));
    }

    #[test]
    fn a_worker_that_panicked_leaves_its_place_to_the_next() {
        let (front, _back) = queue::<u8>(1 << 20, 1);
        drop(front.reserve(1, &|| false).expect("nothing is out"));
        let is_asked = std::cell::Cell::new(false);
        assert!(front.reserve(1, &|| is_asked.replace(true)).is_some());
    }

    #[test]
    fn without_a_writer_nothing_is_planned() {
        let (front, back) = queue::<u8>(WEIGHT_MIN, 100);
        let _held = front.reserve(1, &|| false).expect("a seat");
        let waiting = thread::spawn(move || front.reserve(1, &|| false).is_none());
        drop(back);
        assert!(waiting.join().expect("no panic"));
    }

    #[test]
    fn nothing_is_planned_for_nobody_even_where_there_is_budget() {
        let (front, back) = queue::<u8>(1 << 20, 100);
        assert!(front.reserve(1, &|| true).is_none(), "the planner is stopped");
        assert!(front.reserve(1, &|| false).is_some());
        drop(back);
        assert!(front.reserve(1, &|| false).is_none(), "the writer is gone");
    }

    #[test]
    fn who_waits_for_workers_does_not_ask_the_writer_for_budget() {
        let (front, back) = queue::<u8>(1 << 20, 1);
        let seat = front.reserve(1, &|| false).expect("nothing is out");
        let looks = Arc::new(AtomicUsize::new(0));
        let looked = Arc::clone(&looks);
        let is_stopped = move || {
            looked.fetch_add(1, Ordering::SeqCst);
            false
        };
        let planner = thread::spawn(move || front.reserve(1, &is_stopped).is_some());
        // When it looks again it has waited once.
        while looks.load(Ordering::SeqCst) < 2 {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(!back.shared.lock().is_waiting);
        seat.fill(1, 1);
        assert!(planner.join().expect("no panic"));
    }

    #[test]
    fn any_number_of_workers_and_any_budget_keep_the_order() {
        for (workers, budget) in [(1, 1), (2, 10 * WEIGHT_MIN), (4, 3 * WEIGHT_MIN), (8, 100 * WEIGHT_MIN)] {
            let (front, mut back) = queue::<u64>(budget, 100);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).build().expect("a pool");
            let planner = thread::spawn(move || {
                for number in 0..500_u64 {
                    let seat = front.reserve(1, &|| false).expect("the writer is there");
                    pool.spawn_fifo(move || {
                        thread::sleep(Duration::from_micros(fastrand::u64(..200)));
                        seat.fill(number, fastrand::usize(..20_000));
                    });
                }
            });
            let (mut seen, mut held) = (0, 0);
            loop {
                match back.next(true) {
                    Next::Filling(number, weight) => {
                        assert_eq!(number, seen);
                        seen += 1;
                        held += weight;
                        if seen % 7 == 0 {
                            back.free(std::mem::take(&mut held));
                        }
                    }
                    Next::Starved => back.free(std::mem::take(&mut held)),
                    Next::Quiet => {}
                    Next::Ended => break,
                    Next::Lost => panic!("no worker panicked"),
                }
            }
            assert_eq!(seen, 500);
            planner.join().expect("the planner ends");
        }
    }
}
