//! Changes of inputs, under random numbers that can be drawn again.

use super::targets::DICTIONARY;

/// `SplitMix64`: small, and the same everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).expect("it fits")
    }

    fn byte(&mut self) -> u8 {
        (self.next() & 0xff) as u8
    }
}

/// Every place at which a seed can be cut, shuffled.
pub fn truncations(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<(usize, usize)> {
    let mut places: Vec<(usize, usize)> = Vec::new();
    for (index, seed) in seeds.iter().enumerate() {
        places.extend((0..seed.len()).map(|end| (index, end)));
    }
    for last in (1..places.len()).rev() {
        places.swap(last, dice.below(last + 1));
    }
    places
}

/// A seed with one to four changes.
pub fn changed(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(4) {
        change(&mut input, seeds, dice);
    }
    input
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    match dice.below(14) {
        // A bit, a byte.
        0 | 1 if at < input.len() => input[at] ^= 1 << dice.below(8),
        2 if at < input.len() => input[at] = dice.byte(),
        // A piece that means something.
        3..=5 => {
            let piece = DICTIONARY[dice.below(DICTIONARY.len())].as_bytes();
            let end = if dice.below(2) == 0 {
                at
            } else {
                (at + piece.len()).min(input.len())
            };
            input.splice(at..end, piece.iter().copied());
        }
        // Random bytes.
        6 => {
            let bytes: Vec<u8> = (0..dice.below(9)).map(|_| dice.byte()).collect();
            input.splice(at..at, bytes);
        }
        // A part cut out.
        7 => {
            let end = (at + dice.below(24)).min(input.len());
            input.drain(at..end);
        }
        8 => input.truncate(at),
        // A part twice, once or very often.
        9 => {
            let end = (at + dice.below(40)).min(input.len());
            let part = input[at..end].to_vec();
            let times = if dice.below(20) == 0 { 300 } else { 1 };
            input.splice(at..at, part.repeat(times));
        }
        // A field twice, emptied, dropped, or changed with its neighbour.
        10..=12 => fields(input, dice),
        // The end of another seed.
        _ => {
            let other = &seeds[dice.below(seeds.len())];
            let from = dice.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
    }
    input.truncate(70_000);
}

/// Takes the input for fields between separators of one kind, and changes one of them.
fn fields(input: &mut Vec<u8>, dice: &mut Dice) {
    let separator = [b'&', b'\n', b',', b'"', b'>', b' '][dice.below(6)];
    let mut parts: Vec<Vec<u8>> = input.split(|&byte| byte == separator).map(<[u8]>::to_vec).collect();
    let one = dice.below(parts.len());
    let other = dice.below(parts.len());
    match dice.below(6) {
        0 => parts.insert(other, parts[one].clone()),
        1 => {
            parts.remove(one);
        }
        2 => parts.swap(one, other),
        3 => {
            // The value is emptied, the name stays.
            let end = parts[one].iter().position(|&byte| matches!(byte, b'=' | b':'));
            parts[one].truncate(end.map_or(0, |end| end + 1));
        }
        // A character moves from one value into the next (PAY-02).
        4 if one + 1 < parts.len() => {
            if let Some(last) = parts[one].pop() {
                let next = &mut parts[one + 1];
                let start = next
                    .iter()
                    .position(|&byte| matches!(byte, b'=' | b':'))
                    .map_or(0, |at| at + 1);
                next.insert(start, last);
            }
        }
        _ => {
            let copy = parts[other].clone();
            parts[one] = copy;
        }
    }
    *input = parts.join(&separator);
}
