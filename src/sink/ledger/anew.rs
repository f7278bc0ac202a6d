//! The claim of a rebuild: the sources to be reloaded are held first, and stay as they are until the
//! transaction that changes all of them.

use super::{Answer, Decided, Decision, Holding, Remembered, Taken, Task, Wanted};
use crate::error::{ErrorKind, Result};
use crate::sink::claim::{Asked, Rebuild};
use crate::sink::rebuild::not_rebuilt;
use crate::source::{Candidate, Known, Recognised, recognise};
use crate::split::Split;

/// A source that is reloaded: the run holds it, and nothing else about it has changed yet.
#[derive(Clone, Debug)]
pub(in crate::sink) struct Anew {
    pub(in crate::sink) id: i32,
    pub(in crate::sink) name: String,
    /// How often it was reloaded, this time included.
    pub(in crate::sink) generation: i32,
    /// Its splits, with the epochs under which the run holds them.
    pub(in crate::sink) splits: Vec<(Split, i64)>,
    /// Its file; a source without one is removed.
    pub(in crate::sink) file: Option<Candidate>,
    /// It was also seen in archives other than the one it comes in now.
    pub(in crate::sink) has_other_containers: bool,
}

impl Anew {
    /// The epoch from the rebuild's transaction on.
    pub(in crate::sink) fn epoch(&self) -> i64 {
        self.splits.iter().map(|(_, epoch)| epoch).max().map_or(1, |held| held + 1)
    }
}

/// Decides what to do with each file of a rebuild. A file that is a known source is reloaded under its id. So
/// is a file that has taken the name of a source whose own content is in no file, whatever the file holds
/// now.
pub(super) fn decide_anew(
    rebuild: Rebuild,
    asked: &Asked,
    remembered: &[Remembered],
) -> Result<Vec<Decision>> {
    let known: Vec<Known> = remembered.iter().map(|memory| memory.known.clone()).collect();
    let recognised = recognise(&asked.files, &known, asked.allow_duplicates);
    let mut is_found = vec![false; known.len()];
    for recognised in &recognised {
        if let Ok(Recognised::Known(index)) = recognised {
            is_found[*index] = true;
        }
    }
    let alone = |answer| Decision { answer, memory: None, new_container: None };
    let decide_one = |(file, recognised): (&Candidate, Result<Recognised>)| {
        let of_name = || (0..known.len()).find(|&index| known[index].name == file.name && !is_found[index]);
        let index = match recognised {
            Ok(Recognised::Known(index)) if rebuild.is_whole || known[index].name == file.name => index,
            Ok(Recognised::Known(index)) => match of_name() {
                Some(of_name) => refuse_moved(file, &known[index]).map(|()| of_name)?,
                None => index,
            },
            Ok(Recognised::New) => {
                let answer = Answer::Load { source_id: 0, tasks: vec![Task::whole(0)] };
                return Ok(Decision { new_container: file.fingerprint.container, ..alone(answer) });
            }
            Ok(Recognised::DuplicateOf(name)) => match of_name() {
                Some(of_name) => of_name,
                None => return Ok(alone(Answer::Duplicate(name))),
            },
            Ok(Recognised::Changed(how)) => match of_name() {
                Some(of_name) => of_name,
                None => return Ok(alone(Answer::Changed(how))),
            },
            Err(error) if matches!(error.kind(), ErrorKind::Stopped(_)) => return Err(error),
            Err(error) => return Ok(alone(Answer::Changed(error.without_path(&file.path)))),
        };
        is_found[index] = true;
        let id = remembered[index].source_id;
        let answer = Answer::Load { source_id: id, tasks: vec![Task::whole(id)] };
        Ok(Decision { memory: Some(index), ..alone(answer) })
    };
    asked.files.iter().zip(recognised).map(decide_one).collect()
}

/// Refuses a file that holds what another source was loaded from and bears the name of a third source without
/// a file. A copy is accepted and identified by its name. Without the other sources' files it cannot be
/// determined where the third source went.
fn refuse_moved(file: &Candidate, held: &Known) -> Result<()> {
    if file.is_copy_of(held)? {
        return Ok(());
    }
    let (name, other) = (&file.name, &held.name);
    Err(not_rebuilt(format!(
        "{name} has the content that was loaded from {other}, and {other} no longer has it, so it is \
        unclear which of the two is meant; restore {other}, or --rebuild without FILEs, which looks at all \
        of them"
    )))
}

/// The sources of a rebuild that have no file. Unless allowed, they are refused.
pub(super) fn without_file<'m>(
    rebuild: Rebuild,
    decisions: &[Decision],
    remembered: &'m [Remembered],
) -> Result<Vec<&'m Remembered>> {
    if !rebuild.is_whole {
        return Ok(Vec::new());
    }
    let mut has_file = vec![false; remembered.len()];
    decisions.iter().filter_map(|decision| decision.memory).for_each(|index| has_file[index] = true);
    let all = remembered.iter().zip(has_file);
    let lost: Vec<&Remembered> = all.filter(|(_, has_file)| !has_file).map(|(memory, _)| memory).collect();
    match &lost[..] {
        [first, more @ ..] if !rebuild.allow_missing => {
            let name = &first.known.name;
            let others = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            Err(not_rebuilt(format!(
                "{name}{others} was loaded and is no longer a file of the job, so its rows would be \
                removed; put it back, or allow that with --allow-missing"
            )))
        }
        _ => Ok(lost),
    }
}

/// All splits of the sources that a rebuild is about, complete or not.
pub(super) fn wanted_anew<'m>(
    decisions: &[Decision],
    remembered: &'m [Remembered],
    lost: &[&'m Remembered],
) -> Vec<Wanted<'m>> {
    let known = decisions.iter().filter_map(|decision| decision.memory).map(|index| &remembered[index]);
    let all = known.chain(lost.iter().copied());
    all.flat_map(|memory| {
        memory.checkpoints.iter().map(|checkpoint| (memory.known.name.as_str(), checkpoint))
    })
    .collect()
}

impl<'a> Decided<'a> {
    /// Records what was decided about a file of a rebuild, and returns the answer for the run.
    pub(super) fn note_anew(
        &mut self,
        file: &'a Candidate,
        decision: Decision,
        remembered: &[Remembered],
    ) -> Answer {
        let memory = decision.memory.map(|index| &remembered[index]);
        let answer = match memory {
            Some(memory) => {
                self.hold(memory, Some(file));
                decision.answer
            }
            None => {
                let answer = self.note(file, decision, remembered);
                if let Answer::Load { source_id, .. } = answer {
                    self.anew.push(Anew {
                        id: source_id,
                        name: file.name.clone(),
                        generation: 0,
                        splits: vec![(Split::whole(source_id), 1)],
                        file: Some(file.clone()),
                        has_other_containers: false,
                    });
                }
                answer
            }
        };
        if let (Answer::Load { .. }, Some(anew)) = (&answer, self.anew.last()) {
            let holding =
                Holding { generation: anew.generation, ..Holding::open(anew.epoch(), &Task::whole(anew.id)) };
            self.owned.set(Split::whole(anew.id), holding);
        }
        answer
    }

    /// Holds a source as it is; a source without a file is removed later.
    pub(super) fn hold(&mut self, memory: &Remembered, file: Option<&Candidate>) {
        let mut splits = Vec::with_capacity(memory.checkpoints.len());
        for checkpoint in &memory.checkpoints {
            let epoch = checkpoint.epoch + 1;
            self.held.push(Taken { split: checkpoint.split, epoch, position: checkpoint.position });
            splits.push((checkpoint.split, epoch));
        }
        let own = file.and_then(|file| file.fingerprint.container);
        // A source of which nothing was loaded is loaded for the first time.
        let was_loaded = memory.known.position > 0 || memory.known.complete;
        self.anew.push(Anew {
            id: memory.source_id,
            name: memory.known.name.clone(),
            generation: memory.generation + i32::from(was_loaded),
            splits,
            file: file.cloned(),
            has_other_containers: memory.known.containers != own.into_iter().collect::<Vec<_>>(),
        });
    }
}
