//! Puts many changes of `cargo mutants` into one build, each behind a switch.
//!
//! ```text
//! switches LIST OFF FROM TO > PLACES
//! ```
//!
//! `LIST` is what `cargo mutants --list --json` says; a change is known by its place in it. `OFF` names those that are left out, one a
//! line. Every file of the list is read below `FROM` and written below `TO` with all the others in it: `crate::__switch::on(change)`
//! decides whether one is made. `PLACES` says where each one stands in the new text, so that what the compiler does not take can be
//! left out the next time. A change that `PLACES` does not know could not be put behind a switch.
//!
//! Text is only put in and never taken out. So the tree that was read stays what runs as long as no switch is on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::{env, fs};

use proc_macro2::{LineColumn, Span};
use serde::{Deserialize, Serialize};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Arm, Block, Expr, ExprBinary, ExprUnary};

#[derive(Deserialize)]
struct Change {
    file: String,
    genre: String,
    replacement: String,
    span: Extent,
}

#[derive(Deserialize)]
struct Extent {
    start: Place,
}

/// A place in a file, line and column counted from one.
#[derive(Clone, Copy, Deserialize, Eq, Hash, PartialEq)]
struct Place {
    line: usize,
    column: usize,
}

/// Where a change stands in the new text, in bytes.
#[derive(Serialize)]
struct Switched<'a> {
    change: usize,
    file: &'a str,
    start: usize,
    end: usize,
    /// All of the expression that became a choice.
    whole: (usize, usize),
}

/// A text that goes in at a place of the old one.
struct Insertion {
    at: usize,
    text: String,
    /// Which bytes of it are which change.
    parts: Vec<(usize, usize, usize)>,
    /// The insertion that ends what this one begins.
    end: Option<usize>,
}

/// The changes that begin at one place, with what they put there.
type Choices<'a> = Vec<(usize, &'a str)>;

struct Finder<'a> {
    text: &'a str,
    lines: Vec<usize>,
    wanted: HashMap<(&'a str, Place), Choices<'a>>,
    found: Vec<Insertion>,
}

impl<'a> Finder<'a> {
    fn choices(&mut self, genre: &'static str, at: LineColumn) -> Choices<'a> {
        let place = Place { line: at.line, column: at.column + 1 };
        self.wanted.remove(&(genre, place)).unwrap_or_default()
    }

    fn offset(&self, at: LineColumn) -> usize {
        let start = self.lines[at.line - 1];
        let rest = &self.text[start..];
        start + rest.char_indices().nth(at.column).map_or(rest.len(), |(offset, _)| offset)
    }

    fn of(&self, span: Span) -> &'a str {
        &self.text[self.offset(span.start())..self.offset(span.end())]
    }

    /// Puts in a text that is all of these changes.
    fn put(&mut self, at: usize, text: String, changes: &Choices<'_>) {
        let parts = changes.iter().map(|(change, _)| (*change, 0, text.len())).collect();
        self.found.push(Insertion { at, text, parts, end: None });
    }

    /// Makes the expression between two places the last of several choices.
    fn choose(&mut self, (start, end): (usize, usize), choices: &[(usize, String)], inside: impl FnOnce(&mut Self)) {
        let (mut text, mut parts) = (String::from("("), Vec::new());
        for (change, code) in choices {
            text.push_str(&format!("if crate::__switch::on({change}) {{ "));
            let from = text.len();
            text.push_str(code);
            parts.push((*change, from, text.len()));
            text.push_str(" } else ");
        }
        text.push_str("{ ");
        let begin = self.found.len();
        self.found.push(Insertion { at: start, text, parts, end: None });
        inside(self);
        self.found.push(Insertion { at: end, text: " })".into(), parts: Vec::new(), end: None });
        self.found[begin].end = Some(self.found.len() - 1);
    }

    fn body(&mut self, block: &Block) {
        let Some(first) = block.stmts.first() else { return };
        let at = self.offset(block.brace_token.span.open().end());
        for (change, value) in self.choices("FnValue", first.span().start()) {
            let text = format!(" if crate::__switch::on({change}) {{ return {value}; }}");
            self.put(at, text, &vec![(change, value)]);
        }
    }
}

/// Is there a `let` in a condition? Its parts cannot be put into parentheses.
struct HasLet(bool);

impl Visit<'_> for HasLet {
    fn visit_expr_let(&mut self, _: &syn::ExprLet) {
        self.0 = true;
    }

    fn visit_block(&mut self, _: &Block) {}
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.body(&item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.body(&item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.body(block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_expr_binary(&mut self, expr: &'ast ExprBinary) {
        let mut condition = HasLet(false);
        condition.visit_expr_binary(expr);
        let choices = if condition.0 { Vec::new() } else { self.choices("BinaryOperator", expr.op.span().start()) };
        if choices.is_empty() {
            return visit::visit_expr_binary(self, expr);
        }
        let (left, right) = (expr.left.span(), expr.right.span());
        let with = |operator: &str| format!("{} {operator} {}", self.of(left), self.of(right));
        let texts: Vec<_> = choices.iter().map(|(change, operator)| (*change, with(operator))).collect();
        let extent = (self.offset(left.start()), self.offset(right.end()));
        self.choose(extent, &texts, |finder| visit::visit_expr_binary(finder, expr));
    }

    fn visit_expr_unary(&mut self, expr: &'ast ExprUnary) {
        let choices = self.choices("UnaryOperator", expr.op.span().start());
        if choices.is_empty() {
            return visit::visit_expr_unary(self, expr);
        }
        let operand = expr.expr.span();
        let texts: Vec<_> = choices.iter().map(|(change, _)| (*change, self.of(operand).to_owned())).collect();
        let extent = (self.offset(expr.op.span().start()), self.offset(operand.end()));
        self.choose(extent, &texts, |finder| visit::visit_expr_unary(finder, expr));
    }

    /// An arm that is gone is one whose guard says no.
    fn visit_arm(&mut self, arm: &'ast Arm) {
        let start = arm.attrs.first().map_or_else(|| arm.pat.span(), Spanned::span).start();
        let gone = self.choices("MatchArm", start);
        let stays: Vec<_> = gone.iter().map(|(change, _)| format!("!crate::__switch::on({change})")).collect();
        let stays = stays.join(" && ");
        self.visit_pat(&arm.pat);
        match &arm.guard {
            None if gone.is_empty() => {}
            None => {
                let at = self.offset(arm.pat.span().end());
                self.put(at, format!(" if {stays}"), &gone);
            }
            Some((_, guard)) => {
                let (from, to) = (self.offset(guard.span().start()), self.offset(guard.span().end()));
                if !gone.is_empty() {
                    self.put(from, format!("{stays} && ("), &gone);
                }
                let replaced = self.choices("MatchArmGuard", guard.span().start());
                self.guard(guard, (from, to), &replaced);
                if !gone.is_empty() {
                    self.put(to, ")".into(), &Vec::new());
                }
            }
        }
        self.visit_expr(&arm.body);
    }
}

impl Finder<'_> {
    fn guard(&mut self, guard: &Expr, extent: (usize, usize), replaced: &Choices<'_>) {
        if replaced.is_empty() {
            return self.visit_expr(guard);
        }
        let texts: Vec<_> = replaced.iter().map(|(change, value)| (*change, (*value).to_owned())).collect();
        self.choose(extent, &texts, |finder| finder.visit_expr(guard));
    }
}

/// The new text, and where each change stands in it.
fn put_in<'a>(text: &str, file: &'a str, found: &[Insertion]) -> (String, Vec<Switched<'a>>) {
    // In the order they were found in: of two at one place, the outer one begins and the inner one ends first.
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|index| found[*index].at);
    let (mut new, mut starts, mut done) = (String::new(), vec![0; found.len()], 0);
    for index in order {
        let insertion = &found[index];
        new.push_str(&text[done..insertion.at]);
        done = insertion.at;
        starts[index] = new.len();
        new.push_str(&insertion.text);
    }
    new.push_str(&text[done..]);
    let mut places = Vec::new();
    for (index, insertion) in found.iter().enumerate() {
        let start = starts[index];
        let last = insertion.end.unwrap_or(index);
        let whole = (start, starts[last] + found[last].text.len());
        places.extend(insertion.parts.iter().map(|(change, from, to)| Switched {
            change: *change,
            file,
            start: start + from,
            end: start + to,
            whole,
        }));
    }
    (new, places)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [list, off, from, to] = &arguments[..] else {
        return Err("switches LIST OFF FROM TO".into());
    };
    let list: Vec<Change> = serde_json::from_str(&fs::read_to_string(list)?)?;
    let off = fs::read_to_string(off)?;
    let off: BTreeSet<usize> = off.lines().map(str::parse).collect::<Result<_, _>>()?;

    let mut files: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (change, told) in list.iter().enumerate() {
        files.entry(&told.file).or_default().push(change);
    }
    let mut places = Vec::new();
    for (file, changes) in files {
        let text = fs::read_to_string(Path::new(from).join(file))?;
        let mut lines = vec![0];
        lines.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        let mut wanted: HashMap<_, Choices<'_>> = HashMap::new();
        for change in changes.into_iter().filter(|change| !off.contains(change)) {
            let told = &list[change];
            let place = (told.genre.as_str(), told.span.start);
            wanted.entry(place).or_default().push((change, &told.replacement));
        }
        let mut finder = Finder { text: &text, lines, wanted, found: Vec::new() };
        finder.visit_file(&syn::parse_file(&text)?);
        let (new, switched) = put_in(&text, file, &finder.found);
        places.extend(switched);
        fs::write(Path::new(to).join(file), new)?;
    }
    println!("{}", serde_json::to_string(&places)?);
    Ok(())
}
