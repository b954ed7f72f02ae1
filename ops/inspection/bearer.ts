/** The token in the variable `WAGGLE_TOKEN`, which commands and clients send to a server; empty if the variable is not set. */
export function environmentToken(): string {
  return process.env.WAGGLE_TOKEN ?? ''
}

/** The header for a bearer token; no header for an empty token. */
export function bearer(token: string): { readonly [name: string]: string } {
  return token === '' ? {} : { authorization: `Bearer ${token}` }
}
