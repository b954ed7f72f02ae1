export interface RegistryAddress {
  readonly url: string
  readonly auth: RegistryAuth | null
}

export type RegistryAuth = { readonly username: string; readonly password: string } | { readonly token: string }
