//! Owns the form in which an expression is evaluated: variables are looked up by their whole path, and each step that
//! makes or copies something goes through the meter. Must never change what an expression means.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators};

use super::known::{VARIABLES, is_qualified};

/// Names of our functions; no one can write them.
pub(super) const METER: &str = "@meter";
/// As [`METER`], for what is compared item by item with all others.
pub(super) const SQUARE: &str = "@square";
/// A path from a variable.
pub(super) const PATH: &str = "@path";
/// A field of something. The library gives `false` for a field of what is no map.
pub(super) const FIELD: &str = "@field";
/// A field that may be missing. The library fails unless what it is taken of is optional itself.
pub(super) const OPTIONAL: &str = "@optional";
/// What a loop goes over: of a map, its keys in their order.
pub(super) const ITEMS: &str = "@items";
/// A text whose `%` ask for no more digits than fit.
pub(super) const LAYOUT: &str = "@layout";
/// A list without maps, which have no order to be printed in.
pub(super) const PLAIN: &str = "@plain";

/// Functions that compile a regular expression at each call, and what that costs.
const REGEX: [&str; 3] = ["matches", "find", "findAll"];
const REGEX_COST: i64 = 5_000;
/// Functions that compare each item with each other one.
const QUADRATIC: [&str; 4] = ["distinct", "sets.contains", "sets.equivalent", "sets.intersects"];

/// The expression as it is evaluated.
pub(super) fn metered(expression: IdedExpr) -> IdedExpr {
    Rewrite { scope: Vec::new() }.rewrite(expression)
}

struct Rewrite {
    /// Variables of loops, which hide ours.
    scope: Vec<String>,
}

fn call(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    let call = CallExpr { func_name: name.to_owned(), target: None, args };
    IdedExpr { id: 0, expr: Expr::Call(call) }
}

fn number(number: i64) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Int(number.into())) }
}

fn text(text: &str) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::String(text.into())) }
}

fn meter(expression: IdedExpr) -> IdedExpr {
    if is_metered(&expression) { expression } else { call(METER, vec![expression]) }
}

fn is_metered(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Call(call) if [METER, PATH, FIELD, OPTIONAL].contains(&call.func_name.as_str()))
}

impl Rewrite {
    fn rewrite(&mut self, expression: IdedExpr) -> IdedExpr {
        if let Some(path) = self.path(&expression) {
            return call(PATH, path);
        }
        let IdedExpr { id, expr } = expression;
        let whole = |expr: Expr| IdedExpr { id, expr };
        match expr {
            // What a loop has gathered is metered where it is made.
            Expr::Ident(name) if name.starts_with('@') => whole(Expr::Ident(name)),
            Expr::Ident(name) => meter(whole(Expr::Ident(name))),
            Expr::Select(select) => {
                let operand = self.operand(*select.operand);
                if select.test {
                    whole(Expr::Select(SelectExpr { operand: Box::new(operand), ..select }))
                } else {
                    call(FIELD, vec![operand, text(&select.field)])
                }
            }
            Expr::List(mut list) => {
                list.elements = list.elements.into_iter().map(|element| self.rewrite(element)).collect();
                meter(whole(Expr::List(list)))
            }
            Expr::Map(mut map) => {
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        entry.key = self.rewrite(std::mem::take(&mut entry.key));
                        entry.value = self.rewrite(std::mem::take(&mut entry.value));
                    }
                }
                meter(whole(Expr::Map(map)))
            }
            Expr::Comprehension(comprehension) => whole(self.comprehension(*comprehension)),
            Expr::Call(call) => self.call(id, call),
            other => whole(other),
        }
    }

    /// What a field or an item is taken of; a variable of a loop is not copied for that.
    fn operand(&mut self, expression: IdedExpr) -> IdedExpr {
        match &expression.expr {
            Expr::Ident(name) if self.scope.contains(name) => expression,
            _ => self.rewrite(expression),
        }
    }

    fn comprehension(&mut self, mut comprehension: ComprehensionExpr) -> Expr {
        comprehension.iter_range = call(ITEMS, vec![self.rewrite(comprehension.iter_range)]);
        let outer = self.scope.len();
        comprehension.accu_init = self.rewrite(comprehension.accu_init);
        self.scope.push(comprehension.iter_var.clone());
        self.scope.extend(comprehension.iter_var2.clone());
        self.scope.push(comprehension.accu_var.clone());
        comprehension.loop_cond = self.rewrite(comprehension.loop_cond);
        let step = self.rewrite(comprehension.loop_step);
        // Always, so that no loop goes on once the budget is spent.
        comprehension.loop_step = if is_metered(&step) { step } else { call(METER, vec![step]) };
        comprehension.result = self.rewrite(comprehension.result);
        self.scope.truncate(outer);
        Expr::Comprehension(Box::new(comprehension))
    }

    fn call(&mut self, id: u64, mut call: CallExpr) -> IdedExpr {
        let name = call.func_name.clone();
        let mut full = name.clone();
        if let Some(target) = call.target.take() {
            let prefix = match &target.expr {
                Expr::Ident(prefix) if is_qualified(prefix, &name) => Some(prefix.clone()),
                _ => None,
            };
            call.target = Some(Box::new(match prefix {
                Some(prefix) => {
                    full = format!("{prefix}.{name}");
                    *target
                }
                None => self.argument(&full, *target, true),
            }));
        }
        let args = std::mem::take(&mut call.args);
        let is_index = matches!(name.as_str(), operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT);
        for (position, argument) in args.into_iter().enumerate() {
            let argument = match (is_index, position) {
                (true, 0) => self.operand(argument),
                // The name of a field stands as a text.
                (true, _) if name == operators::OPT_SELECT => argument,
                _ => self.argument(&full, argument, false),
            };
            call.args.push(argument);
        }
        if name == operators::OPT_SELECT {
            return self::call(OPTIONAL, call.args);
        }
        let is_regex = REGEX.contains(&name.as_str());
        let makes = name == operators::ADD || is_index || name.starts_with(|c: char| c.is_ascii_alphabetic());
        let whole = IdedExpr { id, expr: Expr::Call(call) };
        match (is_regex, makes) {
            (true, _) => self::call(METER, vec![whole, number(REGEX_COST)]),
            (false, true) => meter(whole),
            (false, false) => whole,
        }
    }

    /// An argument of a function, or what a method is called on.
    fn argument(&mut self, function: &str, argument: IdedExpr, is_target: bool) -> IdedExpr {
        let argument = self.rewrite(argument);
        match (function, is_target) {
            (name, _) if QUADRATIC.contains(&name) => call(SQUARE, vec![argument]),
            ("format", true) => call(LAYOUT, vec![argument]),
            ("format", false) => call(PLAIN, vec![argument]),
            _ => argument,
        }
    }

    /// `value`, `object`, and the fields and items that are named below them.
    fn path(&self, expression: &IdedExpr) -> Option<Vec<IdedExpr>> {
        match &expression.expr {
            Expr::Ident(name) if VARIABLES.contains(&name.as_str()) && !self.scope.contains(name) => {
                Some(vec![text(name)])
            }
            Expr::Select(select) if !select.test => {
                let mut path = self.path(&select.operand)?;
                path.push(text(&select.field));
                Some(path)
            }
            Expr::Call(call) if call.func_name == operators::INDEX && call.target.is_none() => {
                let [operand, index] = call.args.as_slice() else { return None };
                let mut path = self.path(operand)?;
                match &index.expr {
                    Expr::Literal(LiteralValue::String(_) | LiteralValue::Int(_)) => path.push(index.clone()),
                    _ => return None,
                }
                Some(path)
            }
            _ => None,
        }
    }
}
