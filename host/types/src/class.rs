//! What kind of durable object one is (spec 9.1): fixed when it is made, shown by `GET /api/$self`.

/// The classes of the platform, in a tree. A guest's class extends one of them by naming it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Class {
    Do,
    Business,
    App,
    Saas,
    Site,
    Worker,
    Agent,
    Human,
    Entity,
    Collection,
    Directory,
    Package,
    Function,
    Workflow,
}

impl Class {
    pub const ALL: [Self; 14] = [
        Self::Do,
        Self::Business,
        Self::App,
        Self::Saas,
        Self::Site,
        Self::Worker,
        Self::Agent,
        Self::Human,
        Self::Entity,
        Self::Collection,
        Self::Directory,
        Self::Package,
        Self::Function,
        Self::Workflow,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Do => "DO",
            Self::Business => "Business",
            Self::App => "App",
            Self::Saas => "SaaS",
            Self::Site => "Site",
            Self::Worker => "Worker",
            Self::Agent => "Agent",
            Self::Human => "Human",
            Self::Entity => "Entity",
            Self::Collection => "Collection",
            Self::Directory => "Directory",
            Self::Package => "Package",
            Self::Function => "Function",
            Self::Workflow => "Workflow",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }

    /// The class it extends; None for the one at the top.
    pub fn parent(self) -> Option<Self> {
        match self {
            Self::Do => None,
            Self::Business | Self::App | Self::Site | Self::Worker | Self::Entity | Self::Function | Self::Workflow => {
                Some(Self::Do)
            }
            Self::Saas => Some(Self::App),
            Self::Agent | Self::Human => Some(Self::Worker),
            Self::Collection | Self::Directory | Self::Package => Some(Self::Entity),
        }
    }

    /// It and what it extends, up to the top.
    pub fn line(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |class| class.parent())
    }

    /// All of them, for messages.
    pub fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_extends_do() {
        for class in Class::ALL {
            assert_eq!(class.line().last(), Some(Class::Do), "{}", class.as_str());
            assert_eq!(Class::parse(class.as_str()), Some(class));
        }
        assert_eq!(Class::Agent.line().map(Class::as_str).collect::<Vec<_>>(), ["Agent", "Worker", "DO"]);
        assert_eq!(Class::parse("agent"), None);
    }
}
