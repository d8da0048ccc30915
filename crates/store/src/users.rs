//! Dashboard accounts and the tokens that no longer count.

use crate::{
    Error, Result, Store, UserRow, UserSecret,
    db::{Query, Row, cut},
};
use model::Micros;
use std::time::SystemTime;

const COLUMNS: &str = "uuid, username, role, must_change_password, password_hash, tokens_valid_from";

impl Store {
    /// Every account, by name.
    pub async fn users(&self) -> Result<Vec<UserRow>> {
        let query = Query::new(format!("SELECT {COLUMNS} FROM users ORDER BY username"));
        Ok(self.db.rows("listing users", query).await?.into_iter().map(|row| read(row).user).collect())
    }

    /// By its name, letter for letter.
    pub async fn user_by_name(&self, username: &str) -> Result<Option<UserSecret>> {
        let query = Query::new(format!("SELECT {COLUMNS} FROM users WHERE username = ?")).bind(username);
        Ok(self.db.row("reading a user", query).await?.map(read))
    }

    /// By its uuid.
    pub async fn user(&self, uuid: &str) -> Result<Option<UserSecret>> {
        let query = Query::new(format!("SELECT {COLUMNS} FROM users WHERE uuid = ?")).bind(uuid);
        Ok(self.db.row("reading a user", query).await?.map(read))
    }

    /// `Err(Taken)` if the name exists.
    pub async fn add_user(&self, user: &UserRow, password_hash: &str) -> Result<()> {
        let sql = "INSERT INTO users (uuid, username, role, must_change_password, password_hash) VALUES (?, ?, ?, ?, ?)";
        let query = Query::new(sql)
            .bind(cut(&user.uuid, 64))
            .bind(cut(&user.username, 128))
            .bind(cut(&user.role, 16))
            .bind(user.must_change_password)
            .bind(cut(password_hash, 512));
        match self.db.write("adding a user", vec![query]).await {
            Err(Error::Taken { .. }) => Err(Error::Taken { what: "the user name" }),
            other => other.map(|_| ()),
        }
    }

    /// Sets the hash and voids every token issued before `now`. Whether there is such a user.
    pub async fn set_password(&self, uuid: &str, password_hash: &str, must_change: bool, now: Micros) -> Result<bool> {
        let sql = "UPDATE users SET password_hash = ?, must_change_password = ?, tokens_valid_from = ? WHERE uuid = ?";
        let query = Query::new(sql).bind(cut(password_hash, 512)).bind(must_change).bind(now).bind(uuid);
        self.changed("setting a password", query).await
    }

    /// Sets the role and voids every token issued before `now`. Whether there is such a user.
    pub async fn set_role(&self, uuid: &str, role: &str, now: Micros) -> Result<bool> {
        let query = Query::new("UPDATE users SET role = ?, tokens_valid_from = ? WHERE uuid = ?").bind(cut(role, 16)).bind(now).bind(uuid);
        self.changed("setting a role", query).await
    }

    /// Whether there was such a user.
    pub async fn remove_user(&self, uuid: &str) -> Result<bool> {
        self.changed("removing a user", Query::new("DELETE FROM users WHERE uuid = ?").bind(uuid)).await
    }

    /// Voids one token until it would have expired anyway; forgets those that have.
    pub async fn revoke_token(&self, jti: &str, user_uuid: &str, expires: Micros) -> Result<()> {
        let now = Micros::of(SystemTime::now());
        let sql = format!("{} revoked_tokens (jti, user_uuid, expires_at, revoked_at) VALUES (?, ?, ?, ?)", self.db.insert_new());
        let statements = vec![
            Query::new("DELETE FROM revoked_tokens WHERE expires_at < ?").bind(now),
            Query::new(sql).bind(cut(jti, 128)).bind(cut(user_uuid, 64)).bind(expires).bind(now),
        ];
        self.db.write("revoking a token", statements).await.map(|_| ())
    }

    /// Whether a token was voided.
    pub async fn token_revoked(&self, jti: &str) -> Result<bool> {
        let query = Query::new("SELECT 1 FROM revoked_tokens WHERE jti = ?").bind(cut(jti, 128));
        Ok(self.db.row("checking a token", query).await?.is_some())
    }

    /// Runs one statement; whether it met a row.
    pub(crate) async fn changed(&self, doing: &'static str, query: Query) -> Result<bool> {
        Ok(self.db.write(doing, vec![query]).await?.first().is_some_and(|rows| *rows > 0))
    }
}

fn read(mut row: Row) -> UserSecret {
    UserSecret {
        user: UserRow { uuid: row.text(), username: row.text(), role: row.text(), must_change_password: row.flag() },
        password_hash: row.text(),
        tokens_valid_from: row.opt_at(),
    }
}
