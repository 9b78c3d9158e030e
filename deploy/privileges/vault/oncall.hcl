# The engineer on call: reads the cluster's state, takes a snapshot, makes a sick leader step down (runbook 2.3).
# Seal status, health and unsealing need no token. Never here: seal, init, rekey, generate-root, any secret.

path "sys/metrics" {
  capabilities = ["read"]
}

path "sys/storage/raft/configuration" {
  capabilities = ["read"]
}

path "sys/storage/raft/autopilot/state" {
  capabilities = ["read"]
}

path "sys/ha-status" {
  capabilities = ["read"]
}

path "sys/in-flight-req" {
  capabilities = ["read"]
}

path "sys/storage/raft/snapshot" {
  capabilities = ["read"]
}

path "sys/step-down" {
  capabilities = ["update", "sudo"]
}

# A peer whose disk is gone has to leave the configuration before its successor can join.
path "sys/storage/raft/remove-peer" {
  capabilities = ["update"]
}
