/** The token of the variable `WAGGLE_TOKEN`, which commands and clients send; empty for none. */
export function environmentToken(): string {
  return process.env.WAGGLE_TOKEN ?? ''
}

/** The header for a bearer token; no header for an empty one. */
export function bearer(token: string): { readonly [name: string]: string } {
  return token === '' ? {} : { authorization: `Bearer ${token}` }
}
