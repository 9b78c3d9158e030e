"""What the targets are called, by the board's name of each."""

TITLES = {
    "alerts": "Alerts",
    "kubernetes": "Pods",
    "postgres": "PostgreSQL",
    "redis": "Redis",
    "vault": "Vault",
    "platform": "Platform",
}
