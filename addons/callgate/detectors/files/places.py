"""Places in a file system that hold credentials or decide what a machine does.

Facts, as the programs' manuals give them. A path is looked up in its plain form (see `paths`).
How much reading and writing there means differs: nobody minds who writes `.env`, everybody
minds who reads it; the other way round for `.bashrc`.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

from callgate.detectors.pattern import pattern


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of file and how sure one can be that touching it matters."""

    kind: str
    name: str
    """For explanations: "a private key"."""
    read: float
    write: float
    """Confidence, 0 to 1."""
    glance: float = 0.3
    """Reading by programs that pick out parts, or that show logs as they grow."""


_KEY = Place("PRIVATE_KEY", "a private key", 0.9, 0.3, 0.8)
_KEY_FILE = Place("PRIVATE_KEY", "what may be a private key", 0.6, 0.3, 0.5)
_CREDENTIALS = Place("CREDENTIAL_FILE", "stored credentials", 0.9, 0.3, 0.8)
_SETTINGS = Place("CREDENTIAL_FILE", "settings that hold credentials", 0.7, 0.2, 0.6)
_ACCOUNTS = Place("ACCOUNT_FILE", "the system's passwords or rights", 0.95, 0.95, 0.9)
_USERS = Place("ACCOUNT_FILE", "the system's list of users", 0.7, 0.95)
_MEMORY = Place("PROCESS_MEMORY", "a process's memory or environment", 0.9, 0.9, 0.8)
_HISTORY = Place("HISTORY_FILE", "a history of commands", 0.8, 0.3, 0.6)
_LOGIN = Place("LOGIN_FILE", "who may log in, and how", 0.5, 0.9)
_PROFILE = Place("STARTUP_FILE", "what a shell runs at its start", 0.4, 0.8)
_STARTUP = Place("STARTUP_FILE", "what the system runs by itself", 0.5, 0.9)
_SOCKET = Place("CONTROL_SOCKET", "the socket that controls all containers", 0.7, 0.8)
_PROBE = Place("SYSTEM_FILE", "a file that attacks on servers look for", 0.6, 0.8)
_GUARDED = Place("SYSTEM_FILE", "settings that guard the system", 0.6, 0.9)
_SERVER = Place("SERVER_FILE", "a server's settings or logs", 0.5, 0.8)
_SYSTEM = Place("SYSTEM_FILE", "a file of the system", 0.5, 0.8)
_KERNEL = Place("SYSTEM_FILE", "the kernel's state", 0.55, 0.8)
_PROGRAMS = Place("SYSTEM_FILE", "a program of the system", 0.1, 0.8)
_ROOT_HOME = Place("SYSTEM_FILE", "the administrator's home", 0.5, 0.6)

_ORDINARY = pattern(
    # Examples, public halves of keys, what every user may know.
    r"^(?:.*[._-](?:example|sample|template|dist|defaults?|schema|tmpl|md|rst|adoc|html?|pub|lock)"
    r"|.*[./](?:pub|d\.ts|tsx?|jsx?|py|rb|go|rs|java|cs|css|scss|vue|php\.txt)"
    r"|/etc/(?:hosts|hostname|[a-z]+[-_](?:release|version)|os-release|resolv\.conf|timezone|issue"
    r"|localtime|motd|shells|services|protocols|mime\.types|locale\.\w+|fstab|alternatives/.*)"
    r"|(?:.*/)?(?:[^/]*(?:cert|chain|public|pubkey|bundle)[^/]*|ca[^/]*)\.pem"
    r"|/etc/ssl/certs(?:/.*)?|.*/ca-certificates(?:\.crt|/.*)?"
    r"|/proc/(?:cpuinfo|meminfo|loadavg|uptime|version|stat|filesystems|swaps|sys(?:/.*)?|self)"
    r"|.*/known_hosts(?:\.old)?|/dev/(?:null|zero|u?random|tty|stdin|stdout|stderr|fd/.*))$"
)
_TABLE: tuple[tuple[Place, str], ...] = (
    (
        _ACCOUNTS,
        r"/(?:host/|rootfs/|mnt/(?:\w+/)?|private/)?etc/(?:g?shadow[-\w.]*|master\.passwd"
        r"|sudoers(?:[./].*)?|security/opasswd|krb5\.keytab|doas\.conf)"
        r"|(?:.*/)?windows/(?:system32/config|repair)/(?:regback/)?(?:sam|system|security|default)"
        r"(?:\..*)?|(?:.*/)?ntds\.dit|(?:.*/)?hk(?:lm|ey_local_machine):?/(?:sam|security|system)",
    ),
    (
        _USERS,
        r"/(?:host/|rootfs/|mnt/(?:\w+/)?|private/)?etc/(?:passwd|group)(?:[-.].*)?"
        r"|/usr/share/base-passwd/.*",
    ),
    (
        _MEMORY,
        r"/proc/[^/]+/(?:environ|mem|maps|auxv|stack|syscall|fd(?:/.*)?|cwd/.*|task/.*)"
        r"|/proc/kcore|/dev/(?:mem|kmem|port)|/proc/[^/]+/root(?:/.*)?",
    ),
    (
        _LOGIN,
        r"(?:.*/)?\.ssh/(?:authorized_keys2?|rc|environment)|(?:.*/)?\.(?:rhosts|shosts|k5login)"
        r"|/etc/hosts\.equiv",
    ),
    (_HISTORY, r"(?:.*/)?(?:\.\w+[_-]history|\.history|\.lesshst|\w+_history\.txt)"),
    (
        _KEY,
        r"(?:.*/)?id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?(?:[._-].*)?|(?:.*/)?\.ssh/identity"
        r"|/etc/ssh/ssh_host_\w+_key|(?:.*/)?privkey\d*\.pem|/etc/ssl/private(?:/.*)?"
        r"|(?:.*/)?\.gnupg(?:/.*)?|(?:.*/)?secring\.gpg|(?:.*/)?[^/]+\.(?:ppk|kdbx?|p8)"
        r"|(?:.*/)?config/(?:master\.key|credentials/\w+\.key)|/etc/kubernetes/pki/.*\.key"
        r"|(?:.*/)?wallet\.dat|(?:.*/)?\.(?:bitcoin|ethereum|electrum|monero)/.*"
        r"|(?:.*/)?\.config/solana/.*\.json|/etc/wireguard(?:/.*)?|(?:.*/)?(?:pubring|trustdb)\.kbx",
    ),
    (
        _CREDENTIALS,
        r"(?:.*/)?\.ssh(?:/(?:config|[^/.]*(?:key|rsa|ed25519|dsa|pem)[^/]*|\*))?"
        r"|(?:.*/)?\.aws(?:/(?:credentials|config|sso/.*|cli/cache/.*|\*))?(?:[.~-].*)?"
        r"|(?:.*/)?[._]netrc|(?:.*/)?\.git-credentials|(?:.*/)?\.config/git/credentials"
        r"|(?:.*/)?\.docker/config\.json|(?:.*/)?\.dockercfg|(?:.*/)?\.kube(?:/config)?(?:[.-].*)?"
        r"|(?:.*/)?(?:\.config/|appdata/roaming/)?gcloud(?:/(?:.*cred.*|access_tokens\.db|legacy.*))?"
        r"|(?:.*/)?application_default_credentials\.json|(?:.*/)?\.azure(?:/(?:.*token.*|.*profile.*"
        r"|.*principal.*|msal.*))?|(?:.*/)?\.config/(?:gh/hosts\.yml|hub|op/.*|rclone/rclone\.conf"
        r"|doctl/config\.yaml|glab-cli/config\.yml|stripe/config\.toml|heroku/.*)"
        r"|(?:.*/)?\.(?:pypirc|pgpass|mylogin\.cnf|boto|s3cfg|passwd-s3fs|vault-token|terraformrc"
        r"|dockercfg|fly/config\.yml|oci/config|databrickscfg|snowsql/config|kaggle/kaggle\.json)"
        r"|(?:.*/)?\.terraform\.d/credentials\.tfrc\.json|(?:.*/)?\.gem/credentials"
        r"|(?:.*/)?\.cargo/credentials(?:\.toml)?|(?:.*/)?\.m2/settings(?:-security)?\.xml"
        r"|(?:.*/)?(?:\.composer|composer)/auth\.json|(?:.*/)?\.(?:claude/\.credentials|codex/auth)\.json"
        r"|(?:.*/)?\.password-store(?:/.*)?|(?:.*/)?\.local/share/keyrings(?:/.*)?"
        r"|(?:.*/)?library/keychains(?:/.*)?|(?:.*/)?[^/]+\.keychain(?:-db)?"
        r"|(?:.*/)?(?:logins\.json|key[34]\.db|signons\.sqlite|cookies\.sqlite|login data"
        r"|login data for account|web data|cookies|local state)"
        r"|(?:.*/)?appdata/(?:roaming|local)/microsoft/(?:protect|credentials|vault)(?:/.*)?"
        r"|(?:/var)?/run/secrets(?:/.*)?|/etc/rancher/k3s/k3s\.yaml|/var/lib/kubelet/(?:pki/.*|.*conf.*)"
        r"|/etc/kubernetes/(?:(?:super-)?admin|kubelet|controller-manager|scheduler)\.conf"
        r"|(?:.*/)?service[-_]?account[^/]*\.json|(?:.*/)?client_secrets?[^/]*\.json"
        r"|(?:.*/)?\.htpasswd|/etc/(?:ppp/(?:chap|pap)-secrets|ipsec\.secrets|openvpn/.*"
        r"|wpa_supplicant/.*|networkmanager/system-connections(?:/.*)?)"
        r"|(?:.*/)?unattend(?:ed)?\.xml|(?:.*/)?sysprep\.(?:inf|xml)|(?:.*/)?[^/]+\.tfstate(?:\..*)?",
    ),
    (
        _SETTINGS,
        r"(?:.*/)?\.env(?:rc|\.?local|[._-][\w.*-]+)?|(?:.*/)?[\w-]+\.env|(?:.*/)?\.npmrc"
        r"|(?:.*/)?\.yarnrc(?:\.yml)?|(?:.*/)?wp-config\.php(?:[.~].*)?|(?:.*/)?localsettings\.php"
        r"|(?:.*/)?(?:config\.inc|settings\.local)\.php|(?:.*/)?\.my\.cnf"
        r"|(?:.*/)?\.streamlit/secrets\.toml|(?:.*/)?secrets?\.(?:ya?ml|json|toml|env|txt|ini)"
        r"|(?:.*/)?(?:passwords?|creds|credentials?)(?:\.(?:json|ya?ml|txt|csv|ini|xml|kdbx?|xlsx?))?"
        r"|(?:.*/)?(?:terraform|secrets?|prod\w*)\.(?:auto\.)?tfvars|(?:.*/)?\.nuget/nuget\.config"
        r"|(?:.*/)?appsettings\.prod\w*\.json|(?:.*/)?\.config/filezilla/.*|(?:.*/)?filezilla\.xml"
        r"|(?:.*/)?(?:recentservers|sitemanager)\.xml|(?:.*/)?config/database\.yml",
    ),
    (_KEY_FILE, r"(?:.*/)?[^/]+\.(?:key|pem|p12|pfx|jks|keystore|pk8)"),
    (
        _STARTUP,
        r"/etc/(?:cron[\w.]*|anacrontab|init\.d|rc\.local|rc\d?\.d|ld\.so\.preload|ld\.so\.conf"
        r"|ld\.so\.conf\.d|profile\.d|environment|inittab|xdg/autostart|systemd|udev/rules\.d"
        r"|update-motd\.d|apt/apt\.conf\.d)(?:/.*)?|(?:/usr)?/lib/systemd(?:/.*)?"
        r"|/var/spool/(?:cron|at)(?:/.*)?|(?:.*/)?\.config/(?:systemd/user|autostart)(?:/.*)?"
        r"|(?:.*/)?library/launch(?:agents|daemons)(?:/.*)?"
        r"|(?:.*/)?start menu/programs/startup(?:/.*)?"
        r"|(?:.*/)?hk[\w]*:?/(?:.*/)?currentversion/(?:run\w*|winlogon|policies/explorer/run)(?:/.*)?",
    ),
    (
        _PROFILE,
        r"(?:.*/)?\.(?:bashrc|bash_profile|bash_login|bash_aliases|bash_logout|profile|zshrc"
        r"|zprofile|zshenv|zlogin|xinitrc|xprofile|xsessionrc|pam_environment)"
        r"|/etc/(?:profile|bash\.bashrc|bashrc|zshrc|zsh/\w+)|(?:.*/)?\.config/fish/config\.fish"
        r"|(?:.*/)?(?:microsoft\.)?powershell(?:/|_profile).*profile\.ps1",
    ),
    (_SOCKET, r"(?:/var)?/run/(?:docker|containerd/containerd|crio/crio|podman/podman)\.sock"),
    (
        _PROBE,
        r"/(?:.*/)?(?:win|boot|system)\.ini|/win(?:dows|nt)/(?:system32|php\.ini|my\.ini).*"
        r"|(?:.*/)?\.ht(?:access|groups?)|/var/lib/(?:pam|mlocate|plocate)(?:/.*)?"
        r"|/var/log/(?:auth|secure|faillog|lastlog|[bw]tmp|audit)(?:[./].*)?|/etc/hosts\.(?:allow|deny)",
    ),
    (
        _GUARDED,
        r"/etc/(?:security|pam\.d|ssh|ssl|pki|ldap|krb5|audit|apparmor\.d|selinux|polkit-1|sssd"
        r"|kubernetes|docker)(?:[/.].*)?",
    ),
    (
        _SERVER,
        r"/(?:.*/)?(?:apache2?|httpd|nginx|lampp?|xampp|lighttpd|tomcat\d*|proftpd|vsftpd"
        r"|pure-ftpd|mysql|postgresql|php\d*)(?:/.*)?(?:\.(?:conf|cnf|ini|log)|logs?(?:/.*)?|[._]log)"
        r"|/(?:.*/)?(?:access|error)[._]log(?:\..*)?|/(?:.*/)?(?:conf/server|tomcat-users|web)\.xml",
    ),
    (
        _KERNEL,
        r"/proc/(?:[^/]+|[^/]+/(?:cmdline|status|mounts|mountinfo|net/.*)|net/.*)"
        r"|/sys/(?:kernel|firmware|module)(?:/.*)?|/boot/.*",
    ),
    (_SYSTEM, r"/(?:private/)?etc/.+"),
    (_PROGRAMS, r"(?:/usr)?/(?:s?bin|lib\w*)/.*|/win(?:dows|nt)/.*|/system/.*"),
    (_ROOT_HOME, r"/root/\..*"),
)
_RULES = tuple((place, pattern(f"^(?:{expression})$")) for place, expression in _TABLE)
# One pass without groups tells the many that are nothing special from the few that are.
_ANY = pattern(f"^(?:{'|'.join(expression for _, expression in _TABLE)})$")

KNOWN = tuple(
    name.split("/")
    for name in str.split(
        "/etc/shadow /etc/passwd /etc/gshadow /etc/sudoers /proc/self/environ .env .env.production "
        ".envrc .ssh .ssh/id_rsa .ssh/id_ed25519 .ssh/authorized_keys .aws/credentials .netrc "
        ".git-credentials .kube/config .docker/config.json .bash_history .zsh_history .npmrc "
        ".pypirc .pgpass .gnupg/secring.gpg .bashrc id_rsa id_ed25519 credentials.json "
        "service-account.json wp-config.php terraform.tfstate"
    )
)
"""What a glob may stand for, as names between slashes."""

_GLOB = frozenset("*?[")


def place_of(path: str) -> Place | None:
    """Tell what a path leads to; `path` in plain form, a glob counts as all that it matches."""
    path = path.removesuffix("/")
    if not _GLOB.isdisjoint(path):
        path = _unglobbed(path)
    if not _ANY.match(path) or _ORDINARY.match(path):
        return None
    return next(place for place, rule in _RULES if rule.match(path))


def _unglobbed(path: str) -> str:
    """The first known path that a glob stands for, else the glob itself."""
    names = path.split("/")
    for known in KNOWN:
        tail = names[-len(known) :]
        if len(tail) == len(known) and all(map(_stands_for, tail, known)):
            return "/".join(names[: -len(known)] + known)
    return path


def _stands_for(glob: str, name: str) -> bool:
    if glob == name:
        return True
    # As in a shell, a wildcard never means a first dot.
    if len(glob) > 64 or (name[:1] == "." and glob[:1] != "."):
        return False
    # `*.json` and `*` are about everything; they do not mean one file.
    is_telling = glob.strip("*.") if glob[:1] != "*" else len(glob.strip("*").split(".")[0]) > 2
    return bool(is_telling) and fnmatch.fnmatchcase(name, glob)
