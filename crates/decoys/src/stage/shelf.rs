//! What a service makes once for a decky and shows to all its visitors: a site, a list of settings, a table.

use parking_lot::Mutex;
use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::Arc,
};

/// Things that follow from persona, service and knobs alone, by their type. One shelf stands behind each door of a
/// decky and goes with it when the decky is played anew; cheap to clone. Never here: anything about one visitor.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>);

impl Shelf {
    /// The one `T` of this shelf, made now if nobody needed it before. Two visitors who come at once may both make
    /// it; both then get the first.
    pub fn once<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let here = self.0.lock().get(&TypeId::of::<T>()).cloned();
        if let Some(Ok(found)) = here.map(Arc::downcast) {
            return found;
        }
        let made = Arc::new(make());
        let kept = Arc::clone(self.0.lock().entry(TypeId::of::<T>()).or_insert_with(|| Arc::<T>::clone(&made)));
        kept.downcast().unwrap_or(made)
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shelf({})", self.0.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_made_once_and_by_its_type() {
        let shelf = Shelf::default();
        assert_eq!(*shelf.once(|| 1_u32), 1);
        assert_eq!(*shelf.clone().once(|| 2_u32), 1, "clones are one shelf");
        assert_eq!(*shelf.once(|| "a"), "a");
        assert_eq!(*Shelf::default().once(|| 3_u32), 3);
    }
}
