//! `decnet user`: accounts of the dashboard, made and mended on the host itself.

use crate::{
    commands,
    config::{Config, Wrong},
    home, print,
};
use model::{Id, Micros, User};
use std::time::SystemTime;
use store::{Store, UserRow};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Adds an account with a generated one-time password, which is printed once
    Add {
        /// 1 to 64 characters
        name: String,
        /// viewer: sees everything; admin: may change things and download files
        #[arg(long, default_value = "viewer", value_parser = ["viewer", "admin"])]
        role: String,
    },
    /// Lists the accounts
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Gives an account a new one-time password; its sessions end
    Password {
        /// The account
        name: String,
    },
    /// Removes an account; its sessions end
    Remove {
        /// The account
        name: String,
    },
}

pub(crate) fn run(args: Args, config: &Config) -> anyhow::Result<()> {
    home::prepare(config)?;
    commands::small_runtime()?.block_on(async {
        let store = Store::open(&config.database).await?;
        match args.what {
            What::Add { name, role } => {
                let password = add(&store, &name, &role).await?;
                print::line(&format!("{name} ({role}) may sign in once with {password} and then chooses a password."));
            }
            What::List { json } => {
                let users = store.users().await?;
                if json {
                    print::json(&users)?;
                } else {
                    print::table(&["name", "role", "must change password"], users.into_iter().map(row));
                }
            }
            What::Password { name } => {
                let user = find(&store, &name).await?;
                let password = home::one_time_password();
                let hash = api::auth::password::hash(&password)?;
                store.set_password(&user.uuid, &hash, true, now()).await?;
                print::line(&format!("{name} may sign in once with {password} and then chooses a password."));
            }
            What::Remove { name } => {
                let user = find(&store, &name).await?;
                let admins = store.users().await?.iter().filter(|u| u.role == "admin").count();
                if user.role == "admin" && admins == 1 {
                    return Err(Wrong(format!("{name} is the last admin; add another first")).into());
                }
                store.remove_user(&user.uuid).await?;
                print::line(&format!("{name} is removed."));
            }
        }
        Ok(())
    })
}

/// Adds an account with a one-time password and gives the password.
pub(crate) async fn add(store: &Store, name: &str, role: &str) -> anyhow::Result<String> {
    if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(Wrong("a user's name has 1 to 64 characters, none of them a control character".into()).into());
    }
    let password = home::one_time_password();
    let hash = api::auth::password::hash(&password)?;
    let user = UserRow {
        uuid: Id::<User>::at(now(), rand::random()).to_string(),
        username: name.to_owned(),
        role: role.to_owned(),
        must_change_password: true,
    };
    match store.add_user(&user, &hash).await {
        Ok(()) => Ok(password),
        Err(store::Error::Taken { .. }) => Err(Wrong(format!("there is a user {name} already")).into()),
        Err(error) => Err(error.into()),
    }
}

async fn find(store: &Store, name: &str) -> anyhow::Result<UserRow> {
    match store.user_by_name(name).await? {
        Some(found) => Ok(found.user),
        None => {
            let names = store.users().await?.into_iter().map(|u| u.username).collect::<Vec<_>>().join(", ");
            Err(Wrong(format!("there is no user {name} (there are: {names})")).into())
        }
    }
}

fn row(user: UserRow) -> Vec<String> {
    vec![user.username, user.role, if user.must_change_password { "yes" } else { "no" }.into()]
}

fn now() -> Micros {
    Micros::of(SystemTime::now())
}
