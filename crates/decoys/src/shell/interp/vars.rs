//! Variables: values, attributes, function scopes.

use std::collections::BTreeMap;

/// A variable's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Val {
    Str(Vec<u8>),
    Arr(BTreeMap<i64, Vec<u8>>),
    Assoc(BTreeMap<Vec<u8>, Vec<u8>>),
}

/// A variable.
#[derive(Clone, Debug)]
pub(crate) struct Var {
    pub(crate) val: Option<Val>,
    pub(crate) exported: bool,
    pub(crate) readonly: bool,
    pub(crate) integer: bool,
    /// `U` upper, `L` lower, 0 neither.
    pub(crate) case: u8,
    /// `declare -n`.
    pub(crate) nameref: bool,
}

impl Var {
    pub(crate) fn new() -> Self {
        Self { val: None, exported: false, readonly: false, integer: false, case: 0, nameref: false }
    }

    /// The value without an index.
    pub(crate) fn scalar(&self) -> Option<&[u8]> {
        match self.val.as_ref()? {
            Val::Str(text) => Some(text),
            Val::Arr(map) => map.get(&0).map(Vec::as_slice),
            Val::Assoc(map) => map.get(b"0".as_slice()).map(Vec::as_slice),
        }
    }
}

type Scope = BTreeMap<Vec<u8>, Option<Var>>;

/// All variables of a shell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vars {
    map: BTreeMap<Vec<u8>, Var>,
    /// What `local` hides, innermost last.
    scopes: Vec<Scope>,
    bytes: usize,
}

/// Most bytes of values a shell may hold.
const MOST: usize = 16 << 20;

/// Why a variable was not set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    ReadOnly,
    Memory,
}

impl Vars {
    pub(crate) fn get(&self, name: &[u8]) -> Option<&Var> {
        let var = self.map.get(name)?;
        if var.nameref
            && let Some(Val::Str(target)) = &var.val
            && target != name
        {
            return self.map.get(target).or(Some(var)).filter(|_| self.map.contains_key(target));
        }
        Some(var)
    }

    pub(crate) fn raw_mut(&mut self, name: &[u8]) -> &mut Var {
        self.map.entry(name.to_vec()).or_insert_with(Var::new)
    }

    fn target(&self, name: &[u8]) -> Vec<u8> {
        match self.map.get(name) {
            Some(Var { nameref: true, val: Some(Val::Str(target)), .. }) => target.clone(),
            _ => name.to_vec(),
        }
    }

    pub(crate) fn str(&self, name: &[u8]) -> Option<&[u8]> {
        self.get(name).and_then(Var::scalar)
    }

    /// Sets a scalar, or element 0 of an array.
    pub(crate) fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        self.grow(value.len())?;
        let name = self.target(name);
        let var = self.raw_mut(&name);
        if var.readonly {
            return Err(Refused::ReadOnly);
        }
        let value = match var.case {
            b'U' => value.to_ascii_uppercase(),
            b'L' => value.to_ascii_lowercase(),
            _ => value.to_vec(),
        };
        match &mut var.val {
            Some(Val::Arr(map)) => {
                map.insert(0, value);
            }
            Some(Val::Assoc(map)) => {
                map.insert(b"0".to_vec(), value);
            }
            other => *other = Some(Val::Str(value)),
        }
        Ok(())
    }

    /// Sets one element.
    pub(crate) fn set_index(&mut self, name: &[u8], index: i64, value: Vec<u8>) -> Result<(), Refused> {
        self.grow(value.len() + 48)?;
        let name = self.target(name);
        let var = self.raw_mut(&name);
        if var.readonly {
            return Err(Refused::ReadOnly);
        }
        match &mut var.val {
            Some(Val::Arr(map)) => {
                let at = if index < 0 { map.keys().next_back().map_or(0, |k| k + 1) + index } else { index };
                map.insert(at, value);
            }
            Some(Val::Str(old)) => {
                let mut map = BTreeMap::from([(0, std::mem::take(old))]);
                map.insert(index.max(0), value);
                var.val = Some(Val::Arr(map));
            }
            Some(Val::Assoc(map)) => {
                map.insert(index.to_string().into_bytes(), value);
            }
            None => var.val = Some(Val::Arr(BTreeMap::from([(index.max(0), value)]))),
        }
        Ok(())
    }

    /// Sets one element of an associative array.
    pub(crate) fn set_key(&mut self, name: &[u8], key: Vec<u8>, value: Vec<u8>) -> Result<(), Refused> {
        self.grow(value.len() + key.len() + 48)?;
        let name = self.target(name);
        let var = self.raw_mut(&name);
        if var.readonly {
            return Err(Refused::ReadOnly);
        }
        match &mut var.val {
            Some(Val::Assoc(map)) => {
                map.insert(key, value);
            }
            _ => var.val = Some(Val::Assoc(BTreeMap::from([(key, value)]))),
        }
        Ok(())
    }

    pub(crate) fn set_val(&mut self, name: &[u8], val: Val) -> Result<(), Refused> {
        let size = match &val {
            Val::Str(s) => s.len(),
            Val::Arr(m) => m.values().map(|v| v.len() + 48).sum(),
            Val::Assoc(m) => m.iter().map(|(k, v)| k.len() + v.len() + 48).sum(),
        };
        self.grow(size)?;
        let name = self.target(name);
        let var = self.raw_mut(&name);
        if var.readonly {
            return Err(Refused::ReadOnly);
        }
        var.val = Some(val);
        Ok(())
    }

    /// `true` unless it is read-only.
    pub(crate) fn unset(&mut self, name: &[u8]) -> bool {
        if self.map.get(name).is_some_and(|v| v.readonly) {
            return false;
        }
        self.map.remove(name);
        true
    }

    pub(crate) fn export(&mut self, name: &[u8]) {
        self.raw_mut(name).exported = true;
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&Vec<u8>, &Var)> {
        self.map.iter()
    }

    /// Exported variables that have a value.
    pub(crate) fn environment(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.map.iter().filter(|(_, v)| v.exported).filter_map(|(n, v)| Some((n.clone(), v.scalar()?.to_vec()))).collect()
    }

    pub(crate) fn push_scope(&mut self) {
        self.scopes.push(Scope::new());
    }

    pub(crate) fn pop_scope(&mut self) {
        if let Some(scope) = self.scopes.pop() {
            for (name, old) in scope {
                match old {
                    Some(var) => {
                        self.map.insert(name, var);
                    }
                    None => {
                        self.map.remove(&name);
                    }
                }
            }
        }
    }

    pub(crate) fn scopes(&self) -> usize {
        self.scopes.len()
    }

    /// `local name`: hides the outer variable until the function returns.
    pub(crate) fn local(&mut self, name: &[u8]) -> bool {
        let Some(scope) = self.scopes.last_mut() else { return false };
        if !scope.contains_key(name) {
            let old = self.map.remove(name);
            let exported = old.as_ref().is_some_and(|v| v.exported);
            scope.insert(name.to_vec(), old);
            let mut var = Var::new();
            var.exported = exported;
            self.map.insert(name.to_vec(), var);
        }
        true
    }

    fn grow(&mut self, by: usize) -> Result<(), Refused> {
        self.bytes += by;
        if self.bytes > MOST {
            // What was overwritten since the last count is free again.
            self.bytes = self
                .map
                .iter()
                .map(|(n, v)| {
                    n.len()
                        + match &v.val {
                            Some(Val::Str(s)) => s.len(),
                            Some(Val::Arr(m)) => m.values().map(|v| v.len() + 48).sum(),
                            Some(Val::Assoc(m)) => m.iter().map(|(k, v)| k.len() + v.len() + 48).sum(),
                            None => 0,
                        }
                })
                .sum::<usize>()
                + by;
            if self.bytes > MOST {
                return Err(Refused::Memory);
            }
        }
        Ok(())
    }
}
