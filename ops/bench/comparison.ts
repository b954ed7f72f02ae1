import type { Table } from './table.ts'

/** A benchmark's tables, and the machine that measured them. */
export interface Kept {
  readonly date: string
  readonly machine: string
  readonly commit: string
  readonly tables: readonly Table[]
}

interface Comparison {
  readonly table: Table
  /** The number of figures that got worse, after the change of their floor or peer is subtracted. */
  readonly worse: number
}

/**
 * Compares each figure of a run with the kept figure. `worse` marks a figure that is worse by more than 15 %, after the machine's own change is
 * subtracted. The floor or peer of the same row and run shows how much the machine changed.
 */
export function comparison({ title, kept, now }: { readonly title: string; readonly kept: Kept; readonly now: Kept }): Comparison {
  const rows = now.tables.flatMap((table) => {
    const before = kept.tables.find(({ columns }) => columns.join() === table.columns.join())
    return before === undefined ? [] : figuresOf({ kept: before, now: table })
  })
  const cells = rows.map(({ name, measure, kept: was, now: is, isWorse }) => [name, measure, was, is, is / was, isWorse ? 'worse' : ''])
  return {
    table: { title, columns: ['what', 'figure', 'kept', 'now', 'now / kept', ''], rows: cells },
    worse: rows.filter(({ isWorse }) => isWorse).length,
  }
}

interface Figure {
  readonly name: string
  readonly measure: string
  readonly kept: number
  readonly now: number
  readonly isWorse: boolean
}

function figuresOf({ kept, now }: { readonly kept: Table; readonly now: Table }): readonly Figure[] {
  const keptRow = (row: Row) => kept.rows.find((one) => nameOf(one, now) === nameOf(row, now))
  /** The fraction by which a figure got worse; null if there is nothing to compare. */
  const changed = (row: Row, column: number): number | null => {
    const was = keptRow(row)?.[column]
    const is = row[column]
    if (typeof was !== 'number' || typeof is !== 'number' || was <= 0 || is <= 0) return null
    return isBetterHigh(now.columns[column] ?? '') ? was / is : is / was
  }
  return now.rows.flatMap((row) =>
    now.columns.flatMap((measure, column) => {
      const was = keptRow(row)?.[column]
      const change = changed(row, column)
      if (column < namesOf(now) || change === null) return []
      const beside = besideOf(now, row, column)
      const isGauge = beside !== null && beside.row === row && beside.column === column
      const machine = beside === null ? 1 : Math.max(1, changed(beside.row, beside.column) ?? 1)
      return [{ name: nameOf(row, now), measure, kept: Number(was), now: Number(row[column]), isWorse: !isGauge && change / machine > tolerance }]
    }),
  )
}

/**
 * The figure that shows the machine's speed: the floor or peer of a figure, or the figure itself if it is a floor. Null if the table has no floor or
 * peer for the figure.
 */
function besideOf(table: Table, row: Row, column: number): { readonly row: Row; readonly column: number } | null {
  const { floorRow, peerColumns = {} } = table
  const measure = table.columns[column] ?? ''
  if (Object.values(peerColumns).includes(measure)) return { row, column }
  const peer = peerColumns[measure]
  if (peer !== undefined) return { row, column: table.columns.indexOf(peer) }
  const floors = floorRow === undefined ? [] : table.rows.filter((one) => nameOf(one, table).includes(floorRow))
  const floor = floors.find((one) => one[0] === row[0]) ?? floors[0]
  return floor === undefined ? null : { row: floor, column }
}

type Row = Table['rows'][number]

const tolerance = 1.15

/** True for rates: higher rates are better. All other measures are times, amounts of memory, or ratios of these. */
function isBetterHigh(measure: string): boolean {
  return measure.includes('/s')
}

function nameOf(row: Row, table: Table): string {
  return row
    .slice(0, namesOf(table))
    .filter((cell) => cell !== '')
    .join(', ')
}

function namesOf({ names = 1 }: Table): number {
  return names
}
