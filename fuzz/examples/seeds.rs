//! Writes the seeds as files, and the dictionary: `cargo run --example seeds` in this folder, before `cargo fuzz run`.
//!
//! The regressions of the tests are seeds too.

use std::fmt::Write as _;
use std::{fs, io, path::Path};

use kessai_fuzz::targets::{DICTIONARY, TARGETS};

fn main() -> io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for target in TARGETS {
        let folder = here.join("corpus").join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:03}")), seed)?;
        }
        let kept = here.join("../tests/it/fuzz_smoke/regressions").join(target.name);
        for file in fs::read_dir(kept).into_iter().flatten() {
            let file = file?;
            fs::copy(file.path(), folder.join(file.file_name()))?;
        }
    }
    let mut dictionary = String::new();
    for word in DICTIONARY {
        dictionary.push('"');
        for byte in word.bytes() {
            if byte.is_ascii_graphic() && byte != b'"' && byte != b'\\' {
                dictionary.push(char::from(byte));
            } else {
                let _ = write!(dictionary, "\\x{byte:02x}");
            }
        }
        dictionary.push_str("\"\n");
    }
    fs::write(here.join("dictionary.txt"), dictionary)?;
    println!("{} targets", TARGETS.len());
    Ok(())
}
