/** The store or the computation by which rows of a table are looked up. A table without a store is computed from the stores of its source tables. */
export type TableView =
  | { readonly kind: 'store'; readonly store: string; readonly of: 'keyValue' | 'versioned' | 'window' | 'session' }
  | { readonly kind: 'map'; readonly table: TableView; readonly compute: (key: unknown, value: unknown) => unknown }
  /** The updates of a table that have left the buffer in `store`. */
  | { readonly kind: 'suppressed'; readonly store: string; readonly table: TableView }
  | {
      readonly kind: 'join'
      readonly left: TableView
      readonly right: TableView
      readonly keepsLeft: boolean
      readonly keepsRight: boolean
      readonly join: (key: unknown, left: unknown, right: unknown) => unknown
    }

/** True if the view can return a key's value at a given time. */
export function isVersioned(view: TableView): boolean {
  return view.kind === 'map' ? isVersioned(view.table) : view.kind === 'store' && view.of === 'versioned'
}

/** The stores that a node needs to look up rows through this view. */
export function storesOf(view: TableView): readonly string[] {
  switch (view.kind) {
    case 'store':
      return [view.store]
    case 'map':
      return storesOf(view.table)
    case 'suppressed':
      return [...new Set([view.store, ...storesOf(view.table)])]
    case 'join':
      return [...new Set([...storesOf(view.left), ...storesOf(view.right)])]
  }
}
