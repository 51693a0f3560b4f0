//! Owns the budget of an evaluation, and the functions through which it is spent. Must never let an expression go on
//! once the budget is spent, nor let a panic of the library escape or be printed: it could show a value.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, LazyLock, Once};
use std::time::{Duration, Instant};

use kube_cel::KubeCelExt as _;
use kube_cel::cel::extractors::{Arguments, This};
use kube_cel::cel::objects::{Key, OptionalValue};
use kube_cel::cel::{Context, ExecutionError, FunctionContext, IdedExpr, ResolveResult, Value};

use super::rewrite::{FIELD, ITEMS, LAYOUT, METER, OPTIONAL, PATH, PLAIN, SQUARE};
use super::values::{from_json, weight};

/// What one evaluation may cost: one for each value and each 16 bytes of text that is made or copied.
const BUDGET: u64 = 1_000_000;
/// How long it may take, should the budget be wrong about a function.
const LONGEST: Duration = Duration::from_secs(2);
/// Most digits behind the point.
const DIGITS: usize = 100;

/// Why there is no value.
pub(super) enum Failure {
    /// What the library says.
    Error(ExecutionError),
    /// The budget is spent.
    Spent,
    /// The library panicked.
    Panic,
}

struct Run {
    left: u64,
    until: Instant,
    value: Value,
    object: Value,
}

/// Ends an evaluation from within. An error would not do: `true || error` is true, and its loop would go on.
struct Spent;

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Making this costs more than most evaluations.
static FUNCTIONS: LazyLock<Context<'static>> = LazyLock::new(functions);

/// Evaluates a metered expression.
pub(super) fn evaluate(
    program: &IdedExpr,
    value: &serde_json::Value,
    object: Option<&serde_json::Value>,
) -> Result<Value, Failure> {
    let run = Run {
        left: BUDGET,
        until: Instant::now() + LONGEST,
        value: from_json(value),
        object: object.map_or(Value::Null, from_json),
    };
    RUN.set(Some(run));
    let result = quietly(|| catch_unwind(AssertUnwindSafe(|| Value::resolve(program, &FUNCTIONS))));
    RUN.set(None);
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure::Error(error)),
        Err(payload) if payload.is::<Spent>() => Err(Failure::Spent),
        Err(_) => Err(Failure::Panic),
    }
}

/// Runs `work` without printing a panic: its message may quote what it was about.
pub(super) fn quietly<T>(work: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                usual(panic);
            }
        }));
    });
    QUIET.set(true);
    let result = work();
    QUIET.set(false);
    result
}

/// Takes from the budget; does not return when it is spent.
fn charge(cost: u64) {
    let is_spent = RUN.with_borrow_mut(|run| {
        let Some(run) = run else { return false };
        let left = run.left.checked_sub(cost);
        run.left = left.unwrap_or(0);
        left.is_none() || Instant::now() > run.until
    });
    if is_spent {
        // Not a panic of ours: no hook is called.
        resume_unwind(Box::new(Spent));
    }
}

fn charged(value: Value) -> Value {
    charge(weight(&value));
    value
}

fn functions() -> Context<'static> {
    let mut context = Context::default().with_all();
    context.add_function(METER, meter);
    context.add_function(SQUARE, square);
    context.add_function(PATH, path);
    context.add_function(FIELD, |call: &FunctionContext<'_, '_>| field(call, false));
    context.add_function(OPTIONAL, |call: &FunctionContext<'_, '_>| field(call, true));
    context.add_function(ITEMS, items);
    context.add_function(LAYOUT, layout);
    context.add_function(PLAIN, plain);
    // In place of those of the library, which know no bound.
    context.add_function("replace", replace);
    context.add_function("join", join);
    context.add_function("lists.range", range);
    context
}

fn argument(call: &FunctionContext<'_, '_>, position: usize) -> ResolveResult {
    let missing = || ExecutionError::invalid_argument_count(position + 1, call.args.len());
    Value::resolve(call.args.get(position).ok_or_else(missing)?, call.ptx)
}

fn meter(call: &FunctionContext<'_, '_>) -> ResolveResult {
    let extra = if call.args.len() > 1 { argument(call, 1)? } else { Value::Int(0) };
    charge(if let Value::Int(extra) = extra { 1 + extra.unsigned_abs() } else { 1 });
    argument(call, 0).map(charged)
}

fn square(call: &FunctionContext<'_, '_>) -> ResolveResult {
    let value = argument(call, 0)?;
    let weight = weight(&value);
    charge(weight.saturating_mul(weight) / 8);
    Ok(value)
}

/// A value by its path: the variable's name, then keys and positions.
fn path(call: &FunctionContext<'_, '_>) -> ResolveResult {
    let steps: Vec<Value> = (0..call.args.len()).map(|position| argument(call, position)).collect::<Result<_, _>>()?;
    let found = RUN.with_borrow(|run| {
        let Some((run, (Value::String(name), steps))) = run.as_ref().zip(steps.split_first()) else {
            return Err(ExecutionError::NoSuchOverload);
        };
        let root = if name.as_str() == "object" { &run.object } else { &run.value };
        steps.iter().try_fold(root, step).cloned()
    });
    found.map(charged)
}

fn step<'v>(value: &'v Value, step: &Value) -> Result<&'v Value, ExecutionError> {
    match (value, step) {
        (Value::Map(map), Value::String(key)) => {
            map.map.get(&Key::String(key.clone())).ok_or_else(|| ExecutionError::NoSuchKey(key.clone()))
        }
        (Value::List(items), Value::Int(position)) => {
            let item = usize::try_from(*position).ok().and_then(|position| items.get(position));
            item.ok_or_else(|| ExecutionError::IndexOutOfBounds(Value::Int(*position)))
        }
        _ => Err(ExecutionError::NoSuchOverload),
    }
}

/// A field of a map. It is optional when it is asked for so, and when what it is taken of is.
fn field(call: &FunctionContext<'_, '_>, asked: bool) -> ResolveResult {
    charge(1);
    let (operand, name) = (charged(argument(call, 0)?), argument(call, 1)?);
    let optional = match &operand {
        Value::Opaque(opaque) => opaque.downcast_ref::<OptionalValue>().map(OptionalValue::value),
        _ => None,
    };
    let found = match (optional.unwrap_or(Some(&operand)), &name) {
        (None, _) => None,
        (Some(Value::Map(map)), Value::String(key)) => map.map.get(&Key::String(key.clone())),
        _ => return Err(ExecutionError::NoSuchOverload),
    };
    if asked || optional.is_some() {
        let value = found.map_or_else(OptionalValue::none, |value| OptionalValue::of(value.clone()));
        return Ok(Value::Opaque(Arc::new(value)));
    }
    match (found, name) {
        (Some(value), _) => Ok(value.clone()),
        (None, Value::String(key)) => Err(ExecutionError::NoSuchKey(key)),
        _ => Err(ExecutionError::NoSuchOverload),
    }
}

fn items(call: &FunctionContext<'_, '_>) -> ResolveResult {
    Ok(charged(match argument(call, 0)? {
        Value::Map(map) => {
            let mut keys: Vec<&Key> = map.map.keys().collect();
            keys.sort();
            let key = |key: &Key| match key {
                Key::Int(number) => Value::Int(*number),
                Key::Uint(number) => Value::UInt(*number),
                Key::Bool(flag) => Value::Bool(*flag),
                Key::String(text) => Value::String(text.clone()),
            };
            Value::List(Arc::new(keys.into_iter().map(key).collect()))
        }
        other => other,
    }))
}

fn layout(call: &FunctionContext<'_, '_>) -> ResolveResult {
    let value = argument(call, 0)?;
    if let Value::String(text) = &value {
        for after in text.split("%.").skip(1) {
            let digits = after.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            if digits.parse().map_or(!digits.is_empty(), |digits: usize| digits > DIGITS) {
                return Err(ExecutionError::function_error(LAYOUT, format!("`format` gives at most {DIGITS} digits")));
            }
        }
    }
    Ok(value)
}

fn plain(call: &FunctionContext<'_, '_>) -> ResolveResult {
    let value = argument(call, 0)?;
    if is_plain(&value) {
        return Ok(value);
    }
    Err(ExecutionError::function_error(PLAIN, "`format` prints texts, numbers, booleans and lists of them only"))
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::List(items) => items.iter().all(is_plain),
        Value::String(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_) | Value::Bool(_) | Value::Null => true,
        _ => false,
    }
}

/// What `count` texts of `length` bytes cost.
fn charge_texts(count: usize, length: usize) {
    charge(u64::try_from(count.saturating_mul(length) / 16).unwrap_or(u64::MAX));
}

fn replace(This(text): This<Arc<String>>, Arguments(args): Arguments) -> ResolveResult {
    // Called as a method, the text is not among the arguments.
    let args = if args.len() > 3 { args.get(1..).unwrap_or_default() } else { &**args };
    let (from, to, count) = match args {
        [Value::String(from), Value::String(to)] => (from, to, None),
        [Value::String(from), Value::String(to), Value::Int(count)] => (from, to, usize::try_from(*count).ok()),
        _ => return Err(ExecutionError::NoSuchOverload),
    };
    let found = text.matches(from.as_str()).count().min(count.unwrap_or(usize::MAX));
    charge_texts(found, to.len());
    Ok(Value::String(Arc::new(match count {
        Some(count) => text.replacen(from.as_str(), to, count),
        None => text.replace(from.as_str(), to),
    })))
}

fn join(This(items): This<Arc<Vec<Value>>>, Arguments(args): Arguments) -> ResolveResult {
    let separator = match &**args {
        [] => "",
        [Value::String(separator)] => separator.as_str(),
        _ => return Err(ExecutionError::NoSuchOverload),
    };
    charge_texts(items.len(), separator.len());
    let text = |item: &Value| match item {
        Value::String(text) => Ok(text.to_string()),
        _ => Err(ExecutionError::NoSuchOverload),
    };
    Ok(Value::String(Arc::new(items.iter().map(text).collect::<Result<Vec<_>, _>>()?.join(separator))))
}

fn range(count: i64) -> ResolveResult {
    charge(u64::try_from(count).map_err(|_| ExecutionError::NoSuchOverload)?);
    Ok(Value::List(Arc::new((0..count).map(Value::Int).collect())))
}
