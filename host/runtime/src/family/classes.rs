//! What an object is by its class: a built-in one, or one that an application declared, which extends a built-in one
//! (spec CLS-2).

use crate::declared::Kind;
use crate::functions::ANCESTORS_MAX;
use crate::object::Object;
use types::deployment::Deployment;
use types::{Class, Fault};

impl Object {
    /// The built-in class that one of this name is: it itself, or what it extends. Declared it is by an application of
    /// this object or of the nearest above. None: there is no such class.
    pub(crate) async fn base_of(&self, class: &str) -> Result<Option<Class>, Fault> {
        if let Some(built_in) = Class::parse(class) {
            return Ok(Some(built_in));
        }
        let mut object = self.clone();
        for _ in 0..ANCESTORS_MAX {
            if let Some(base) = object.declared_class(class) {
                return Ok(Some(base));
            }
            let Some(parent) = object.parent().await? else { break };
            let Some(above) = self.node.object(&parent).await? else { break };
            object = above;
        }
        Ok(None)
    }

    fn declared_class(&self, class: &str) -> Option<Class> {
        let all = self.inner.declared.all(Kind::Deployment);
        let bases = all.iter().filter_map(|known| {
            let deployment: Deployment = serde_json::from_str(known.spec.as_str()).ok()?;
            deployment.objects.iter().find(|object| object.class == class).map(|object| object.base())
        });
        bases.into_iter().next()
    }

    /// Everything that one of a class is beside it, the nearest first. A class that nobody declares any more is a `DO`.
    pub(super) async fn extended_by(&self, class: &str) -> Result<Vec<Class>, Fault> {
        let base = self.base_of(class).await?.unwrap_or(Class::Do);
        Ok(base.line().filter(|of| of.as_str() != class).collect())
    }

    /// # Errors
    /// `CLASS_INVALID` for one that is neither built in nor declared.
    pub(crate) async fn refuse_unknown_class(&self, class: &str) -> Result<(), Fault> {
        match self.base_of(class).await? {
            Some(_) => Ok(()),
            None => Err(Fault::invalid("CLASS_INVALID", unknown(class))),
        }
    }
}

/// What is said of a class that there is not.
pub(crate) fn unknown(class: &str) -> String {
    let class = &class[..class.floor_char_boundary(64)];
    format!("{class:?} is no class; accepted: {}, and what an application declares in its objects", Class::names())
}
