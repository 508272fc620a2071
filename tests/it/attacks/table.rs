//! The table itself: every entry of the catalogue in every column of every gateway names the tests that show it, or says why
//! there is nothing to show.

mod rows;
mod runs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use self::rows::ROWS;
use self::runs::runs_at;
use super::Gw;

/// What stands in a cell.
#[derive(Clone, Copy)]
pub enum Cell {
    /// These tests show it.
    Shown(&'static [&'static str]),
    /// There is nothing to show, for this reason.
    NotHere(&'static str),
}

/// The entries of the catalogue.
const ENTRIES: u8 = 70;
const COLUMNS: [(char, &str); 5] = [
    ('O', "store"),
    ('C', "callback"),
    ('B', "return"),
    ('Q', "query"),
    ('S', "sweep"),
];

type Table = BTreeMap<(Gw, char, u8), Cell>;

/// Every cell, and what is wrong with the rows.
fn table() -> (Table, Vec<String>) {
    let (mut table, mut wrong) = (Table::new(), Vec::new());
    for row in ROWS {
        for gateway in row.gateways {
            for column in row.columns.chars() {
                if table.insert((*gateway, column, row.pay), row.cell).is_some() {
                    wrong.push(format!("PAY-{:02} {column} {} is there twice", row.pay, gateway.name()));
                }
            }
        }
    }
    for gateway in Gw::ALL {
        for (column, _) in COLUMNS {
            for pay in 1..=ENTRIES {
                if !table.contains_key(&(*gateway, column, pay)) {
                    wrong.push(format!("PAY-{pay:02} {column} {} is missing", gateway.name()));
                }
            }
        }
    }
    let known =
        |key: &&(Gw, char, u8)| COLUMNS.iter().any(|(column, _)| *column == key.1) && (1..=ENTRIES).contains(&key.2);
    wrong.extend(
        table
            .keys()
            .filter(|key| !known(key))
            .map(|key| format!("{key:?} is no cell")),
    );
    (table, wrong)
}

/// The names of this program's own tests.
fn tests() -> BTreeSet<String> {
    let own = std::env::current_exe().unwrap();
    let listed = Command::new(own).arg("--list").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    names.map(str::to_owned).collect()
}

/// `lib::money::a_test` is a test in `src/money.rs` or in a module of its folder.
fn is_in_the_library(name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let (test, modules) = parts.split_last().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(modules.join("/"));
    [folder.with_extension("rs"), folder.join("mod.rs")].iter().any(|file| {
        let source = std::fs::read_to_string(file).unwrap_or_default();
        let found = source.split_once(&format!("fn {test}("));
        found.is_some_and(|(before, _)| before.trim_end().trim_end_matches("async").trim_end().ends_with(']'))
    })
}

/// The tests of a cell that run there: what one gateway's test shows, it shows of that one.
fn here(names: &[&str], gateway: Gw, column: char) -> Vec<String> {
    let names = names.iter().map(|name| name.replace("{gw}", gateway.name()));
    names
        .filter(|name| runs_at(name, gateway, column) != Some(false))
        .collect()
}

/// Tests that a reason names, between backticks.
fn named_in(reason: &str) -> impl Iterator<Item = &str> {
    reason.split('`').skip(1).step_by(2).filter(|name| name.contains("::"))
}

#[test]
fn every_cell_is_filled_once_and_every_test_in_it_exists() {
    let (table, mut wrong) = table();
    assert_eq!(Gw::ALL.len() * COLUMNS.len() * usize::from(ENTRIES), 1_400);
    let tests = tests();
    assert!(tests.len() > 100, "the tests of this program are listed");
    for ((gateway, column, pay), cell) in &table {
        let at = format!("PAY-{pay:02} {column} {}", gateway.name());
        match cell {
            Cell::NotHere(reason) => {
                let words = reason.split_whitespace().count();
                if words < 8 || !reason.ends_with('.') {
                    wrong.push(format!("{at}: \"{reason}\" is no reason"));
                }
                for name in named_in(reason).filter(|name| !tests.contains(*name)) {
                    wrong.push(format!("{at}: there is no test {name}"));
                }
            }
            Cell::Shown(names) => {
                let names = here(names, *gateway, *column);
                if names.is_empty() {
                    wrong.push(format!("{at} names no test that runs there"));
                }
                for name in names {
                    if runs_at(&name, *gateway, *column).is_none() {
                        wrong.push(format!("nobody says at which gateways {name} runs"));
                    }
                    let there = match name.strip_prefix("lib::") {
                        Some(inside) => is_in_the_library(inside),
                        None => tests.contains(&name),
                    };
                    if !there {
                        wrong.push(format!("{at}: there is no test {name}"));
                    }
                }
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(
        wrong.is_empty(),
        "{} cells are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    for gateway in Gw::ALL {
        let shown = count(&table, |at, cell| at.0 == *gateway && matches!(cell, Cell::Shown(_)));
        assert!(shown >= 30, "{} has {shown} negative cases", gateway.name());
    }
}

#[test]
fn the_gateways_of_the_table_are_those_of_the_crate() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gateways");
    let mut there = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            there.push(entry.file_name().into_string().unwrap());
        }
    }
    there.sort();
    let mut ours: Vec<&str> = Gw::ALL.iter().map(|gateway| gateway.name()).collect();
    ours.sort_unstable();
    assert_eq!(there, ours);
}

#[test]
fn the_table_is_printed_with_its_counts() {
    let (table, _) = table();
    println!("T: tests show it, -: a written reason says why there is nothing to show\n");
    print!("{:8}", "");
    for gateway in Gw::ALL {
        print!("{:<7}", gateway.name());
    }
    println!("\n{:8}{}", "", "OCBQS  ".repeat(Gw::ALL.len()));
    for pay in 1..=ENTRIES {
        print!("PAY-{pay:02}  ");
        for gateway in Gw::ALL {
            let signs = COLUMNS
                .iter()
                .map(|(column, _)| match table.get(&(*gateway, *column, pay)) {
                    Some(Cell::Shown(_)) => 'T',
                    Some(Cell::NotHere(_)) => '-',
                    None => '?',
                });
            print!("{:<7}", signs.collect::<String>());
        }
        println!();
    }
    println!();
    for gateway in Gw::ALL {
        for (column, name) in COLUMNS {
            let here = |at: &(Gw, char, u8)| at.0 == *gateway && at.1 == column;
            let shown = count(&table, |at, cell| here(at) && matches!(cell, Cell::Shown(_)));
            let reasons = count(&table, |at, cell| here(at) && matches!(cell, Cell::NotHere(_)));
            println!(
                "{:<7} {name:<9} {shown:>2} shown by tests, {reasons:>2} with a reason",
                gateway.name()
            );
        }
        let own = table.iter().filter(|(at, _)| at.0 == *gateway);
        let named: BTreeSet<String> = own
            .filter_map(|(at, cell)| match cell {
                Cell::Shown(names) => Some(here(names, *gateway, at.1)),
                Cell::NotHere(_) => None,
            })
            .flatten()
            .collect();
        println!("{:<7} {} different tests", gateway.name(), named.len());
        assert!(named.len() >= 30);
    }
}

fn count(table: &Table, of: impl Fn(&(Gw, char, u8), &Cell) -> bool) -> usize {
    table.iter().filter(|(at, cell)| of(at, cell)).count()
}
