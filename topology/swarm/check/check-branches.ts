import { type Branch, returningRoles } from '../bee-type.ts'
import type { CheckedSwarm } from '../checked-swarm.ts'
import type { Path } from '../swarm-document.ts'
import { BranchGraph, type BranchingBee } from './branch-graph.ts'
import { enumerated } from './enumerated.ts'
import { didYouMean } from './nearest-name.ts'

type Add = (path: Path, message: string, next: string, options?: { readonly key: boolean }) => void

/**
 * Checks the bees that choose between their readers. Each branch must lead to a reader, and each reader must have a branch. Loops must lead back and
 * out again. A bee that needs one result for each request must not read several branches with `stack`.
 */
export function checkBranches(bees: readonly BranchingBee[], add: Add): void {
  const graph = new BranchGraph(bees)
  let rings = 0
  for (const bee of bees) {
    const branches = bee.type?.branches?.(bee.spec) ?? null
    if (branches !== null) checkReaders(bee, branches, graph, add)
    const isReturning = bee.type !== null && returningRoles.has(bee.type.role)
    if (isReturning || bee.type?.role === 'merge') checkStack(bee, add)
    else checkStackedBranches(bee, bee.input?.bees ?? [], graph, add)
    if (!isReturning) continue
    if (++rings <= maxRings) checkLoop(bee, branches ?? [], graph, add)
    else if (rings === maxRings + 1) add(['bees', bee.index], `there are more than ${maxRings} loops and caches`, 'Divide the swarm.')
  }
}

/** The most loops and caches of a swarm, because the check follows each of them through the whole swarm. */
const maxRings = 100

/** A branch that leads to no answer, with its place in the file. */
export interface DeadBranch {
  readonly path: Path
  readonly message: string
  readonly next: string
}

/** In a swarm with a respond bee, the branches that lead neither to the respond bee nor to a bee that may answer by itself. */
export function neverJoined({ bees }: CheckedSwarm): readonly DeadBranch[] {
  const respond = bees.find(({ type }) => type.role === 'respond')
  if (respond === undefined) return []
  const graph = BranchGraph.of(bees)
  const answering = graph.leadingTo(respond.name)
  const toAnswers = graph.withFeeders(bees.flatMap(({ name, type }) => (type.mayAnswer ? [name] : [])))
  return bees.flatMap(({ name, type, spec }, index) => {
    if (returningRoles.has(type.role) || !answering.has(name)) return []
    return (type.branches?.(spec) ?? []).flatMap(({ reader, path }) =>
      reader === respond.name || answering.has(reader) || toAnswers.has(reader)
        ? []
        : [
            {
              path: ['bees', index, 'spec', ...path],
              message: `the branch ${reader} never joins the way to ${respond.name}: a request that takes it alone is answered with 422`,
              next: `Let a bee of type merge read the end of the branch, in front of ${respond.name}.`,
            },
          ],
    )
  })
}

function checkReaders({ index, name, type }: BranchingBee, branches: readonly Branch[], graph: BranchGraph, add: Add): void {
  const readers = graph.readersOf(name)
  const names = readers.map((reader) => reader.name)
  const named = new Set<string>()
  for (const { reader, path } of branches) {
    named.add(reader)
    if (names.includes(reader)) continue
    const hint = didYouMean(reader, names)
    const next =
      names.length === 0 ? `Let ${reader} read it: input: { name: ${name} }.` : `Use one of its readers: ${enumerated(names, names.length)}.`
    add(['bees', index, 'spec', ...path], `${reader} does not read ${name}`, hint === '' ? next : hint, { key: path.length > 1 })
  }
  if (type !== null && returningRoles.has(type.role)) return
  for (const reader of readers)
    if (!named.has(reader.name))
      add(
        ['bees', reader.index, 'input'],
        `${reader.name} is an unreachable branch: ${name} sends no request to it`,
        `Name ${reader.name} under routes or default of ${name}.`,
      )
}

function checkLoop(bee: BranchingBee, branches: readonly Branch[], graph: BranchGraph, add: Add): void {
  const { index, name, input } = bee
  const body = branches.map(({ reader }) => reader).filter((reader) => graph.readersOf(name).some((one) => one.name === reader))
  if (body.length === 0 || input === null) return
  const before = graph.leadingTo(name)
  const inside = new Set([...graph.reachedFrom(body, name)].filter((bee) => before.has(bee)))
  const isBack = (from: string) => inside.has(from)
  if (!input.bees.some(isBack))
    add(['bees', index, 'input'], `no way leads from ${body[0]} back to ${name}`, `Add the last bee of a round to the input of ${name}.`)
  else if (input.bees.every(isBack)) add(['bees', index, 'input'], `nothing leads into the loop of ${name}`, 'Add the bee from which requests come.')
  // The mark of a branch that was not taken also ends a loop. So if several ways lead into a loop, each request must take all of them.
  checkStackedBranches(
    bee,
    input.bees.filter((from) => !isBack(from)),
    graph,
    add,
  )
  checkCopies(bee, inside, graph, add)
  if (graph.readersOf(name).every((reader) => body.includes(reader.name)))
    add(['bees', index], `no request leaves the loop of ${name}: only ${body.join(', ')} reads it`, `Let a bee after the loop read ${name}.`)
  for (const reader of graph.bees) {
    if (inside.has(reader.name) || reader.name === name || ends.has(reader.type?.role ?? '')) continue
    const from = reader.input?.bees.find((one) => inside.has(one))
    if (from !== undefined)
      add(
        ['bees', reader.index, 'input'],
        `${reader.name} is outside of the loop of ${name} and reads ${from} in it, which has a result each round`,
        `Read ${name}.`,
      )
  }
  for (const reader of graph.bees) {
    const outside = inside.has(reader.name) && reader.input?.kind !== 'name' && reader.input?.bees.find((one) => one !== name && !inside.has(one))
    if (outside)
      add(
        ['bees', reader.index, 'input'],
        `${reader.name} is in the loop of ${name} and reads ${outside} outside of it, which has a result for the first round only`,
        `Read bees of the loop only: what ${outside} gives must be part of what ${name} gives.`,
      )
  }
}

/** If a bee reads several bees of a loop with `stack`, it has several results in each round. Each of these results would begin another round. */
function checkCopies({ name }: BranchingBee, inside: ReadonlySet<string>, graph: BranchGraph, add: Add): void {
  for (const reader of graph.bees) {
    const isHead = reader.name === name
    if (reader.input?.kind !== 'stack' || reader.type?.role === 'merge' || !(isHead || inside.has(reader.name))) continue
    const each = reader.input.bees.filter((from) => inside.has(from) || (!isHead && from === name))
    const copies = isHead || each.length < 2 ? each : each.filter((from) => !graph.bodyOf(reader).has(from))
    const second = copies[1]
    if (second === undefined) continue
    const reads = isHead ? `${copies.join(' and ')} lead back to ${name}` : `${reader.name} in the loop of ${name} reads ${copies.join(' and ')}`
    add(
      ['bees', reader.index, 'input', 'stack', reader.input.bees.indexOf(second)],
      `${reads} as they come, so that a request comes back ${copies.length} times`,
      `Let a bee of type merge read these, and let ${reader.name} read the merge.`,
    )
  }
}

/** A merge and a loop read each input as soon as it comes. */
function checkStack({ index, name, type, input }: BranchingBee, add: Add): void {
  if (input === null || (input.kind === 'stack' && input.bees.length > 1)) return
  const path = ['bees', index, 'input']
  if (type?.role === 'merge') add(path, `${name} merges, and takes several inputs as they come`, 'Use input: { stack: [<bee>, <bee>] }.')
  else add(path, `${name} is a ${type?.type}, and needs the way in and the way back`, 'Use input: { stack: [<bee before>, <last bee of a round>] }.')
}

function checkStackedBranches({ index, name, type, input }: BranchingBee, some: readonly string[], graph: BranchGraph, add: Add): void {
  if (type === null || ends.has(type.role) || type.role === 'respond' || input?.kind !== 'stack' || some.length < 2) return
  input.bees.forEach((from, at) => {
    if (some.includes(from) && graph.isUncertain(from))
      add(
        ['bees', index, 'input', 'stack', at],
        `${name} reads ${from} beside others as they come, and a request may take another branch`,
        'Let a bee of type merge read these inputs, and read that one.',
      )
  })
}

const ends: ReadonlySet<string> = new Set(['sink', 'output'])
