//! The start-up files a new account gets. The words are ours, what they do and how long they are is as on the
//! distribution: whoever only lists them sees nothing odd, whoever runs them gets the usual shell.

use super::skeleton::Family;

/// A file of a home: name and text.
pub(super) fn of(family: Family, root: bool) -> Vec<(&'static str, String)> {
    let debian = [(".bashrc", 3526, 571), (".profile", 807, 161)];
    let ubuntu = [(".bashrc", 3771, 3106), (".profile", 807, 161)];
    match family {
        Family::Alpine => Vec::new(),
        Family::Rhel => vec![
            (".bashrc", fit(RHEL_BASHRC, if root { 429 } else { 492 })),
            (".bash_profile", fit(RHEL_PROFILE, 141)),
            (".bash_logout", fit("# ~/.bash_logout\n§", 18)),
        ],
        _ => {
            let sizes = if family == Family::Ubuntu { ubuntu } else { debian };
            let mut files = Vec::new();
            for (name, people, superuser) in sizes {
                let text = match (name, root, family) {
                    (".bashrc", false, _) | (".bashrc", true, Family::Ubuntu) => BASHRC,
                    (".bashrc", ..) => ROOT_BASHRC,
                    (_, false, _) => PROFILE,
                    _ => ROOT_PROFILE,
                };
                files.push((name, fit(text, if root { superuser } else { people })));
            }
            if !root {
                files.push((".bash_logout", fit(LOGOUT, 220)));
            }
            files
        }
    }
}

/// Stands for a ruler in the texts below.
const RULER: char = '§';

/// The text with its rulers drawn so long that it has `size` bytes.
fn fit(text: &str, size: usize) -> String {
    let rulers = text.matches(RULER).count();
    let mut left = size.saturating_sub(text.len() - rulers * RULER.len_utf8());
    let mut out = String::with_capacity(size);
    for (n, part) in text.split(RULER).enumerate() {
        if n > 0 {
            let here = left.div_ceil(rulers + 1 - n);
            out.extend(std::iter::repeat_n('-', here));
            left -= here;
        }
        out.push_str(part);
    }
    out
}

const BASHRC: &str = r##"# ~/.bashrc: bash reads this when it starts for somebody who types and is
# not a login shell; a login shell gets here by way of ~/.profile.

# Copying files and running single commands needs nothing of what follows.
case $- in
    *i*) ;;
      *) return;;
esac

# -- History §
# Keep no doubles and nothing that begins with a space, add to the file
# instead of writing it anew, and remember a good deal.
HISTCONTROL=ignoreboth
shopt -s histappend
HISTSIZE=1000
HISTFILESIZE=2000

# -- Window §
# Look after each command whether the window has changed its size, so that
# LINES and COLUMNS are right.
shopt -s checkwinsize

# Let ** stand for any number of folders, if you like that. It makes some
# commands slow in large trees, which is why it is off.
#shopt -s globstar

# -- Pager §
# What less shows may be more than plain text: archives are listed, pages of
# the manual set. Take the marks away if you want that.
#[ -x /usr/bin/lesspipe ] && eval "$(SHELL=/bin/sh lesspipe)"

# -- Root directory §
# Somebody who works in a chroot finds its name in the prompt.
if [ -z "${debian_chroot:-}" ] && [ -r /etc/debian_chroot ]; then
    debian_chroot=$(cat /etc/debian_chroot)
fi

# -- Prompt §
# Colour where the terminal says that it has some. Set the next line to yes
# to have it anywhere.
#force_color_prompt=yes
color_prompt=
case "$TERM" in
    xterm-color|*-256color) color_prompt=yes;;
esac
if [ "$force_color_prompt" = yes ]; then
    color_prompt=yes
fi

if [ "$color_prompt" = yes ]; then
    PS1='\[\033[01;32m\]\u@\h\[\033[00m\]:\[\033[01;34m\]\w\[\033[00m\]\$ '
else
    PS1='\u@\h:\w\$ '
fi
unset color_prompt force_color_prompt

# -- Title §
# The title of a window under X names user, host and folder.
case "$TERM" in
xterm*|rxvt*)
    PS1="\[\e]0;\u@\h: \w\a\]$PS1"
    ;;
*)
    ;;
esac

# -- Colours of listings §
alias ls='ls --color=auto'
alias grep='grep --color=auto'
alias fgrep='fgrep --color=auto'
alias egrep='egrep --color=auto'

# -- Compiler §
# Warnings and errors in colour: the parts of a message, each with its code.
#export GCC_COLORS='error=01;31:warning=01;35:note=01;36:quote=01'

# -- Shortcuts §
#alias ll='ls -l'
#alias la='ls -A'
#alias l='ls -CF'

# -- Long jobs §
# Tells the desktop that a long command is over; write it behind the command,
# as in: sleep 10; alert
#alias alert='notify-send --urgency=low "$(history | tail -n1)"'

# Your own belong into a file of their own; it is read here if it exists.
if [ -f ~/.bash_aliases ]; then
    . ~/.bash_aliases
fi

# -- Completion §
# Not needed if /etc/bash.bashrc has done so for everybody.
if ! shopt -oq posix; then
  if [ -f /usr/share/bash-completion/bash_completion ]; then
    . /usr/share/bash-completion/bash_completion
  elif [ -f /etc/bash_completion ]; then
    . /etc/bash_completion
  fi
fi
# §
"##;

const PROFILE: &str = r#"# ~/.profile: read by the shell that a login starts, but not by bash if
# there is a ~/.bash_profile or a ~/.bash_login.
# §

# -- Rights of new files §
# What new files may be is set in /etc/login.defs and by PAM; a login over
# ssh takes it from there, too.
#umask 022

# -- bash §
# bash has a file of its own for people who type.
if [ -n "$BASH_VERSION" ]; then
    if [ -f "$HOME/.bashrc" ]; then
	. "$HOME/.bashrc"
    fi
fi

# -- Programs §
# Programs of your own come first, if you have made a place for them.
if [ -d "$HOME/bin" ] ; then
    PATH="$HOME/bin:$PATH"
fi
if [ -d "$HOME/.local/bin" ] ; then
    PATH="$HOME/.local/bin:$PATH"
fi
"#;

const LOGOUT: &str = r#"# ~/.bash_logout: the last thing a login shell does.
# §
# Leave nothing on a console for the next to read.
if [ "$SHLVL" = 1 ]; then
    [ -x /usr/bin/clear_console ] && /usr/bin/clear_console -q
fi
"#;

const ROOT_BASHRC: &str = r##"# ~/.bashrc: what bash does for root when it is no login shell.

# Prompt and umask have been set in /etc/profile already. To change them
# for root alone, take away the mark before the line.
# PS1='\h:\w\$ '
# umask 022

# Listings in colour and in short words:
# export LS_OPTIONS='--color=auto'
# alias ls='ls $LS_OPTIONS'
# alias ll='ls $LS_OPTIONS -l'
# alias l='ls $LS_OPTIONS -lA'

# -- Think twice before a file is gone §
# alias rm='rm -i'
# alias cp='cp -i'
# alias mv='mv -i'
"##;

const ROOT_PROFILE: &str = r#"# ~/.profile: for login shells.

if [ "$BASH" ]; then
  if [ -f ~/.bashrc ]; then
    . ~/.bashrc
  fi
fi

# §
mesg n 2> /dev/null || true
"#;

const RHEL_BASHRC: &str = r#"# .bashrc

# Settings for everybody
if [ -f /etc/bashrc ]; then
	. /etc/bashrc
fi

# Programs of your own
if ! [[ "$PATH" =~ "$HOME/.local/bin:$HOME/bin:" ]]; then
    PATH="$HOME/.local/bin:$HOME/bin:$PATH"
fi
export PATH

# §
# Aliases and functions of your own
if [ -d ~/.bashrc.d ]; then
    for rc in ~/.bashrc.d/*; do
        if [ -f "$rc" ]; then . "$rc"; fi
    done
fi
unset rc
"#;

const RHEL_PROFILE: &str = r#"# .bash_profile

# Aliases and functions
if [ -f ~/.bashrc ]; then
    . ~/.bashrc
fi

# What a login sets
# §
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_as_long_as_the_distributions() {
        let sizes = |family, root| of(family, root).iter().map(|(n, t)| (*n, t.len())).collect::<Vec<_>>();
        assert_eq!(sizes(Family::Debian, false), [(".bashrc", 3526), (".profile", 807), (".bash_logout", 220)]);
        assert_eq!(sizes(Family::Debian, true), [(".bashrc", 571), (".profile", 161)]);
        assert_eq!(sizes(Family::Ubuntu, false), [(".bashrc", 3771), (".profile", 807), (".bash_logout", 220)]);
        assert_eq!(sizes(Family::Ubuntu, true), [(".bashrc", 3106), (".profile", 161)]);
        assert_eq!(sizes(Family::Rhel, false), [(".bashrc", 492), (".bash_profile", 141), (".bash_logout", 18)]);
        for (family, root) in [(Family::Debian, false), (Family::Ubuntu, true), (Family::Ubuntu, false), (Family::Debian, true)] {
            for (name, text) in of(family, root) {
                assert!(text.lines().all(|l| l.len() <= 132), "{name}: {text}");
            }
        }
    }
}
