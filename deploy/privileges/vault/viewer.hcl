# Who only wants to see: the metrics. Seal status and health need no token.

path "sys/metrics" {
  capabilities = ["read"]
}
