import type { StoreKind } from '../state-store.ts'

/** What a store is made with: its name, its kind, and what only its kind has. */
export interface StoreSupplier<out Kind extends StoreKind> {
  readonly name: string
  readonly kind: Kind
}
