import type { RawAttr, RawFunction, RawGraph, RawNode } from './graph-schema.ts'
import { invalidModel } from './invalid-model.ts'
import { outputPlaces } from './output-places.ts'

/** A graph without calls of functions. An input of a node is written `node` or `node:output`; control inputs are left out. */
export interface FlatGraph {
  readonly nodes: ReadonlyMap<string, FlatNode>
  /** The output in this graph that corresponds to a reference of the original graph, such as `StatefulPartitionedCall:1`. */
  resolve(reference: string): string
}

export interface FlatNode {
  readonly name: string
  readonly op: string
  readonly input: readonly string[]
  readonly attr: ReadonlyMap<string, RawAttr>
}

/**
 * Replaces each call of a function by the function's nodes. Throws WAGGLE_MODEL_INVALID for endless calls, and if the number or the size of the nodes
 * exceeds the bounds.
 */
export function inlinedGraph(path: string, { node, library }: RawGraph): FlatGraph {
  const inliner = new FunctionInliner(path, library?.function ?? [])
  inliner.add(node, null)
  return inliner.graph()
}

/** The call of the function whose nodes are being copied. */
interface CallScope {
  readonly prefix: string
  /** For each argument of the function, the output outside of the function that is passed in. */
  readonly args: ReadonlyMap<string, string>
  /** Attributes of the call. The function's nodes may refer to these attributes by name. */
  readonly attr: ReadonlyMap<string, RawAttr>
  readonly nodes: ReadonlyMap<string, RawNode>
  readonly depth: number
}

/** The most nodes and calls together. */
const maxNodes = 200_000
const maxDepth = 32
/**
 * The most characters of all names and references in the inlined graph. Each input, attribute, argument and output counts as `partCharacters` more.
 */
const maxCharacters = 2 ** 27
const partCharacters = 64
/** The most characters of a node's name, including the names of the enclosing calls. */
const maxNameCharacters = 8192

class FunctionInliner {
  readonly #path: string
  readonly #functions: ReadonlyMap<string, RawFunction>
  readonly #nodes = new Map<string, FlatNode>()
  /** For each output of a call, the corresponding output inside the function. */
  readonly #aliases = new Map<string, string>()
  /** For each function, the first index of each of its named outputs. */
  readonly #places: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** For each reference of the original graph, the corresponding output. */
  readonly #resolved = new Map<string, string>()
  #count = 0
  #charactersLeft = maxCharacters

  constructor(path: string, functions: readonly RawFunction[]) {
    this.#path = path
    this.#functions = new Map(functions.map((one) => [one.signature?.name ?? '', one]))
    this.#places = new Map(functions.map(({ signature }) => [signature?.name ?? '', placesOf(signature?.outputArg.map(({ name }) => name) ?? [])]))
  }

  add(nodes: readonly RawNode[], scope: CallScope | null): void {
    for (const { name, op, input, attr } of nodes) {
      if (op === '' || name === '') throw invalidModel(this.#path, 'it holds no graph')
      if (++this.#count > maxNodes) throw invalidModel(this.#path, `it has more than ${maxNodes} nodes with its functions in place of their calls`)
      const prefixed = scope?.prefix.length ?? 0
      if (prefixed + name.length > maxNameCharacters) throw invalidModel(this.#path, `it has a name of more than ${maxNameCharacters} characters`)
      this.#charge(prefixed + name.length, Object.keys(attr).length)
      for (const reference of input) this.#charge(prefixed + reference.length, 1)
      const node: FlatNode = {
        name: (scope?.prefix ?? '') + name,
        op,
        input: input.filter((one) => !one.startsWith('^')).map((one) => (scope === null ? plain(one) : this.#inBody(one, scope))),
        attr: new Map(Object.entries(attr).map(([key, value]) => [key, scope?.attr.get(value.placeholder ?? '') ?? value])),
      }
      const called = this.#functionOf(op, node.attr)
      if (called !== undefined) this.#inline(called, node, (scope?.depth ?? 0) + 1)
      else if (this.#nodes.has(node.name)) throw invalidModel(this.#path, `it has two nodes of the name ${node.name}`)
      else this.#nodes.set(node.name, node)
    }
  }

  graph(): FlatGraph {
    const resolve = (reference: string): string => {
      const known = this.#resolved.get(reference)
      if (known !== undefined) return known
      let at = plain(reference)
      for (let step = 0; step <= maxDepth * 2; step++) {
        const next = this.#aliases.get(at)
        if (next === undefined) {
          this.#resolved.set(reference, at)
          return at
        }
        at = next
      }
      throw invalidModel(this.#path, `its functions hand ${reference} around in a circle`)
    }
    return { nodes: new Map([...this.#nodes].map(([name, node]) => [name, { ...node, input: node.input.map(resolve) }])), resolve }
  }

  #functionOf(op: string, attr: ReadonlyMap<string, RawAttr>): RawFunction | undefined {
    if (!op.endsWith('PartitionedCall')) return this.#functions.get(op)
    const name = attr.get('f')?.func?.name ?? ''
    const found = this.#functions.get(name)
    if (found === undefined) throw invalidModel(this.#path, `it calls the function ${name}, which it does not have`)
    return found
  }

  #inline({ signature, nodeDef, ret }: RawFunction, { name, input, attr }: FlatNode, depth: number): void {
    const { inputArg = [], outputArg = [] } = signature ?? {}
    if (depth > maxDepth) throw invalidModel(this.#path, `its functions call each other more than ${maxDepth} deep`)
    if (inputArg.length !== input.length)
      throw invalidModel(this.#path, `the call ${name} gives ${input.length} inputs to a function of ${inputArg.length}`)
    this.#charge(name.length, inputArg.length + outputArg.length + nodeDef.length)
    const scope: CallScope = {
      // No valid name contains `~`, so this name differs from all names of the graph.
      prefix: `${name}~/`,
      args: new Map(inputArg.map((arg, at) => [arg.name, input[at] ?? ''])),
      attr,
      nodes: new Map(nodeDef.map((node) => [node.name, node])),
      depth,
    }
    this.add(nodeDef, scope)
    for (const output of outputArg) this.#charge(2 * name.length + output.name.length, 1)
    const returned = new Map(Object.entries(ret))
    this.#charge(0, returned.size)
    outputArg.forEach((output, at) => {
      const from = returned.get(output.name)
      if (from === undefined) throw invalidModel(this.#path, `a function gives no ${output.name}, which its signature names`)
      this.#aliases.set(at === 0 ? name : `${name}:${at}`, this.#inBody(from, scope))
    })
  }

  /** Inside a function, an input is written as the name of an argument, or as `node:output:place` with the output's name. */
  #inBody(reference: string, { prefix, args, nodes }: CallScope): string {
    const [name = '', output, place = '0'] = reference.split(':')
    const arg = args.get(name)
    if (arg !== undefined) return arg
    const node = nodes.get(name)
    if (node === undefined) throw invalidModel(this.#path, `a function reads ${reference}, which it does not have`)
    const at = output === undefined ? 0 : this.#firstPlace(node, output) + Number(place)
    return plain(`${prefix}${name}:${at}`)
  }

  #firstPlace({ op }: RawNode, output: string): number {
    // The outputs of a `PartitionedCall` are one list.
    return (this.#places.get(op) ?? placesOf(outputPlaces.get(op) ?? [])).get(output) ?? 0
  }

  #charge(characters: number, parts: number): void {
    this.#charactersLeft -= characters + parts * partCharacters
    if (this.#charactersLeft < 0) throw invalidModel(this.#path, 'its nodes are too many or too large with its functions in place of their calls')
  }
}

function placesOf(names: readonly string[]): ReadonlyMap<string, number> {
  return new Map(names.map((name, at) => [name, at] as const).toReversed())
}

/** The first output has two spellings: `node:0` and `node`. */
function plain(reference: string): string {
  return reference.endsWith(':0') ? reference.slice(0, -2) : reference
}
