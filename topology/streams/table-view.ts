/** How to look a key up in a table that may not be kept itself: from the stores below it, computed on the way. */
export type TableView =
  | { readonly kind: 'store'; readonly store: string; readonly of: 'keyValue' | 'versioned' | 'window' | 'session' }
  | { readonly kind: 'map'; readonly table: TableView; readonly compute: (key: unknown, value: unknown) => unknown }
  /** What has gone on of a table whose updates wait in `store`. */
  | { readonly kind: 'suppressed'; readonly store: string; readonly table: TableView }
  | {
      readonly kind: 'join'
      readonly left: TableView
      readonly right: TableView
      readonly keepsLeft: boolean
      readonly keepsRight: boolean
      readonly join: (key: unknown, left: unknown, right: unknown) => unknown
    }

/** Whether it can say what a key had at a time. */
export function isVersioned(view: TableView): boolean {
  return view.kind === 'map' ? isVersioned(view.table) : view.kind === 'store' && view.of === 'versioned'
}

/** The stores that a node must be given to look through this view. */
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
