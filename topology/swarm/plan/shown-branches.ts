import type { SwarmBee } from '../checked-swarm.ts'

/** The readers between which a bee chooses, as a plan shows them. */
export interface ShownBranches {
  readonly bee: string
  readonly type: string
  /** `when` is the condition; null for the default reader. */
  readonly branches: readonly { readonly reader: string; readonly when: string | null }[]
  readonly match?: 'first' | 'all'
  readonly max_rounds?: number
}

export function shownBranches(bees: readonly SwarmBee[]): readonly ShownBranches[] {
  return bees.flatMap(({ name, type, spec }) => {
    const branches = type.branches?.(spec) ?? null
    if (branches === null) return []
    return [
      {
        bee: name,
        type: type.type,
        branches: branches.map(({ reader, when }) => ({ reader, when })),
        ...(spec.match === 'all' ? { match: 'all' as const } : {}),
        ...(typeof spec.max_rounds === 'number' ? { max_rounds: spec.max_rounds } : {}),
      },
    ]
  })
}

/** The text of one line for each bee: `by-size → big where size > 10, else small`. */
export function branchLine({ bee, branches, match, max_rounds }: ShownBranches): string {
  const ways = branches.map(({ reader, when }) =>
    when === null ? `else ${reader}` : `${reader} ${max_rounds === undefined ? 'where' : 'while'} ${when}`,
  )
  const all = match === 'all' ? ' (all that hold)' : ''
  return `${bee} → ${ways.join(', ')}${all}${max_rounds === undefined ? '' : `, at most ${max_rounds} rounds`}`
}
