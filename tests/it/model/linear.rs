//! Is there an order of what several callers did at once that explains what each of them heard, and what is on record?

use std::collections::HashMap;

use super::reference::{Line, Model, Said};
use super::steps::{Step, What};

/// A step, what was said to it, and between which two moments.
#[derive(Debug)]
pub struct Heard {
    pub step: Step,
    pub said: Said,
    pub begun: usize,
    pub ended: usize,
}

/// All orders that do, by what is true at their ends.
pub struct Search<'a> {
    callers: &'a [Vec<Heard>],
    /// What is on record at the end, line by line.
    story: &'a [Line],
    /// Where it has been: how far each caller was, and what was true then.
    seen: HashMap<Vec<usize>, Vec<Model>>,
    pub ends: Vec<Model>,
}

impl<'a> Search<'a> {
    pub fn new(callers: &'a [Vec<Heard>], story: &'a [Line]) -> Self {
        Self {
            callers,
            story,
            seen: HashMap::new(),
            ends: Vec::new(),
        }
    }

    /// From what is true when each caller is so far.
    pub fn go(&mut self, model: Model, places: &[usize]) {
        let seen = self.seen.entry(places.to_vec()).or_default();
        if seen.contains(&model) {
            return;
        }
        seen.push(model.clone());
        let next = |caller: usize| self.callers[caller].get(places[caller]);
        let open: Vec<(usize, &Heard)> = (0..places.len())
            .filter_map(|caller| next(caller).map(|heard| (caller, heard)))
            .collect();
        let Some(first_end) = open.iter().map(|(_, heard)| heard.ended).min() else {
            if model.lines() == self.story && !self.ends.contains(&model) {
                self.ends.push(model);
            }
            return;
        };
        for (caller, heard) in open {
            // Something else was over before this began.
            if first_end < heard.begun {
                continue;
            }
            let mut after = model.clone();
            if says(&mut after, heard) && self.story.starts_with(after.lines()) {
                let mut places = places.to_vec();
                places[caller] += 1;
                self.go(after, &places);
            }
        }
    }
}

/// Would the model have said the same?
fn says(model: &mut Model, heard: &Heard) -> bool {
    let at = heard.step.at;
    match (&heard.step.what, &heard.said) {
        // A database numbers rights that are made at once in the order in which it comes to them, and the chain in another.
        (What::NextFulfilment { lease }, Said::Right(Some((attempt, deliveries)))) => {
            model.hand_out(at, *lease, *attempt) == Some((*attempt, *deliveries))
        }
        _ => model.step(&heard.step) == heard.said,
    }
}
