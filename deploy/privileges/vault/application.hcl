# The API and its workers: their own credentials, read only.

path "secret/data/alphapulse/*" {
  capabilities = ["read"]
}
