import { conditionOf } from './graph-condition.ts'
import { quotedName, SwarmDraft } from './swarm-draft.ts'
import type { YamlObject } from './yaml-object.ts'

/** Makes a swarm from an InferenceGraph of KServe. The services of the graph stay in the cluster, and the swarm calls them there. */
export function importKserveGraph(graph: YamlObject, file: string): SwarmDraft {
  return new GraphImport(graph, file).draft()
}

class GraphImport {
  readonly #graph: YamlObject
  readonly #name: string
  readonly #namespace: string
  readonly #draft: SwarmDraft
  readonly #nodes: ReadonlyMap<string, YamlObject>
  readonly #hosts = new Set<string>()
  readonly #reached = new Set<string>()

  constructor(graph: YamlObject, file: string) {
    const metadata = graph.object('metadata')
    this.#graph = graph
    this.#name = metadata?.text('name') ?? 'graph'
    this.#namespace = metadata?.text('namespace') ?? 'default'
    this.#draft = new SwarmDraft(file, this.#name)
    const nodes = graph.object('spec')?.object('nodes') ?? null
    if (nodes === null) throw graph.wrong([], 'spec.nodes is missing', 'Name an InferenceGraph with a node root.')
    this.#nodes = new Map(nodes.entries())
    if (!this.#nodes.has('root')) throw nodes.wrong([], 'there is no node root', 'Name the first node root.')
  }

  draft(): SwarmDraft {
    const entrance = this.#draft.addEntrance(this.#name, this.#graph.object('metadata')?.place('name') ?? this.#graph.place())
    const last = this.#node('root', entrance, [], this.#graph)
    this.#draft.add('answer', { type: 'respond', input: { name: last } })
    for (const [name, node] of this.#nodes)
      if (!this.#reached.has(name))
        this.#draft.note(
          node.place(),
          `no step leads to the node ${name}, so it is left out`,
          'Name the node as nodeName of a step, or remove the node.',
        )
    const hosts = [...this.#hosts]
    if (hosts.length > 0)
      this.#draft.note(
        this.#graph.place('spec', 'nodes'),
        `the services ${hosts.join(', ')} are not on this machine`,
        `Allow them: WAGGLE_HTTP_CALL_HOSTS=${[...hosts, '10.0.0.0/8'].join(',')} (with the network of your cluster). Correct their paths if they speak another protocol than v1.`,
      )
    this.#graph.noteOthers(this.#draft, ['apiVersion', 'kind', 'metadata', 'spec', 'status'], {})
    this.#graph.object('spec')?.noteOthers(this.#draft, ['nodes'], graphAdvice)
    return this.#draft
  }

  /** Adds the bees of a node, and returns the name of the bee that produces the node's result. */
  #node(name: string, input: string, above: readonly string[], at: YamlObject): string {
    const node = this.#nodes.get(name)
    if (node === undefined) throw at.wrong(['nodeName'], `there is no node ${name}`, `Use one of ${[...this.#nodes.keys()].join(', ')}.`)
    if (above.includes(name))
      throw at.wrong(
        ['nodeName'],
        `the node ${name} leads back to itself`,
        'Waggle has cycles through a loop bee: import the nodes without the way back.',
      )
    // Each node of a chain is a level of the call stack.
    if (above.length >= maxDepth)
      throw at.wrong(['nodeName'], `${maxDepth} nodes lead to the node ${name}, one through the other`, 'Write the steps of a chain in one Sequence.')
    this.#reached.add(name)
    node.noteOthers(this.#draft, ['routerType', 'steps'], {})
    const type = node.text('routerType') ?? ''
    const steps = node.objects('steps')
    if (steps.length === 0) throw node.wrong(['steps'], `the node ${name} has no steps`, 'Give the node a step.')
    for (const step of steps) this.#noteUnused(type, step)
    const target = (step: YamlObject, from: string) => this.#target(step, from, [...above, name])
    switch (type) {
      case 'Sequence':
        return this.#sequence(name, steps, input, target)
      case 'Ensemble':
        return this.#ensemble(name, steps, input, target)
      case 'Switch':
        return this.#switch(name, node, steps, input, target)
      case 'Splitter':
        return this.#splitter(name, steps, input, target)
      default:
        throw node.wrong(['routerType'], `there is no router type ${JSON.stringify(type)}`, 'Use Sequence, Ensemble, Switch or Splitter.')
    }
  }

  /** Adds a note for each member of a step that a router of this type does not use. */
  #noteUnused(type: string, step: YamlObject): void {
    for (const [key, users] of Object.entries(usersOf)) {
      if (step.text(key) === null || users.includes(type)) continue
      this.#draft.note(step.place(key), `${key} of a step has no meaning in a ${type}`, `Remove it, or use ${users.join(' or ')}.`)
    }
  }

  #sequence(name: string, steps: readonly YamlObject[], input: string, target: Target): string {
    let last = input
    /** The bees whose result is the sequence's result, because a condition of the sequence did not hold. */
    const ends: string[] = []
    for (const [at, step] of steps.entries()) {
      const condition = step.text('condition')
      const takesRequest = (step.text('data') ?? '$request') !== '$response'
      if (step.text('dependency') === 'Soft')
        this.#draft.note(
          step.place('dependency'),
          'a step that fails ends the request, also a soft one',
          'Set on_error: skip of a bee that can do without it.',
        )
      let from = at > 0 && takesRequest ? input : last
      if (at > 0 && condition !== null) {
        const { then, otherwise } = this.#checked(step, condition, { response: last, request: takesRequest && input !== last ? input : null })
        ends.push(otherwise)
        from = then
      } else if (condition !== null) {
        this.#draft.note(
          step.place('condition'),
          'the first step has no response before it, so its condition looks at the request, and a request for which it does not hold gets 422',
          'Use a Switch, or a route bee with a default, if it has an answer.',
        )
        from = this.#draft.add(`${stepName(step)}-condition`, {
          type: 'filter',
          input: { name: from },
          spec: { condition: this.#condition(step, condition, '') },
        })
      } else if (from !== last)
        this.#draft.note(
          step.place(),
          'a step that takes $request runs beside the one before it, whose result is dropped',
          'Write data: $response, or join both results.',
        )
      last = target(step, from)
    }
    return ends.length === 0 ? last : this.#draft.add(`${name}-result`, { type: 'merge', input: { stack: [last, ...ends] } })
  }

  /**
   * Adds a route that looks at the response so far, as KServe does. The step gets that response, or the request. If the condition does not hold, the
   * response so far is the result of the sequence.
   */
  #checked(
    step: YamlObject,
    gjson: string,
    { response, request }: { readonly response: string; readonly request: string | null },
  ): { readonly then: string; readonly otherwise: string } {
    const key = stepName(step)
    const both = `{request: ${quotedName(request ?? '')}, response: ${quotedName(response)}}`
    const seen =
      request === null ? response : this.#draft.add(`${key}-seen`, { type: 'map', input: { join: [request, response] }, spec: { expression: both } })
    const spec: { readonly routes: { [reader: string]: string }; default?: string } = { routes: {} }
    const route = this.#draft.add(`${key}-condition`, { type: 'route', input: { name: seen }, spec })
    const picked = (part: string) => ({ type: 'map', input: { name: route }, spec: { expression: request === null ? '@' : part } })
    const then = this.#draft.add(`${key}-input`, picked('request'))
    const otherwise = this.#draft.add(`${key}-left-out`, picked('response'))
    spec.routes[then] = this.#condition(step, gjson, request === null ? '' : 'response')
    spec.default = otherwise
    return { then, otherwise }
  }

  #ensemble(name: string, steps: readonly YamlObject[], input: string, target: Target): string {
    const results = steps.map((step) => ({ key: stepName(step), bee: target(step, input), step }))
    const [only, second] = results
    if (only !== undefined && second === undefined) return only.bee
    const isSoft = results.some(({ step }) => step.text('dependency') === 'Soft')
    const fields = results.map(({ key, bee }) => `${quotedName(key)}: ${quotedName(bee)}`)
    return this.#draft.add(`${name}-ensemble`, {
      type: 'map',
      input: { join: results.map(({ bee }) => bee) },
      ...(isSoft ? { on_error: 'skip' as const, on_timeout: 'partial' as const } : {}),
      spec: { expression: `{${fields.join(', ')}}` },
    })
  }

  #switch(name: string, node: YamlObject, steps: readonly YamlObject[], input: string, target: Target): string {
    const route = new RouteDraft(this.#draft, `${name}-switch`, input)
    for (const step of steps) {
      const condition = step.text('condition')
      if (condition === null) this.#draft.note(step.place(), 'a step of a Switch without a condition never runs', 'Give the step a condition.')
      route.add(stepName(step), condition === null ? '`false`' : this.#condition(step, condition, ''), (from) => target(step, from))
    }
    this.#draft.note(
      node.place('routerType'),
      'a request for which no condition holds is answered with 422',
      'Name a reader as default of the route bee, if it has an answer.',
    )
    return route.end(`${name}-result`)
  }

  #splitter(name: string, steps: readonly YamlObject[], input: string, target: Target): string {
    const [only, second] = steps
    if (only !== undefined && second === undefined) return target(only, input)
    const heaviest = Math.max(...steps.map((step) => step.number('weight') ?? 0))
    const route = new RouteDraft(this.#draft, `${name}-splitter`, input)
    let hasDefault = false
    for (const step of steps) {
      const weight = step.number('weight') ?? 0
      const isDefault: boolean = !hasDefault && weight === heaviest
      hasDefault ||= isDefault
      const key = stepName(step)
      if (isDefault) route.addDefault(key, (from) => target(step, from))
      else {
        route.add(key, `split == '${key.replace(/[\\']/g, '\\$&')}'`, (from) => target(step, from))
        this.#draft.note(
          step.place('weight'),
          `the weight ${weight} of ${key} has no equal, because a route decides by the input`,
          `It gets the requests whose field split is ${key}, and the step of the largest weight all others. For two versions of one model use spec.traffic of a model bee.`,
        )
      }
    }
    return route.end(`${name}-result`)
  }

  #target(step: YamlObject, input: string, above: readonly string[]): string {
    step.noteOthers(this.#draft, ['name', 'serviceName', 'serviceUrl', 'nodeName', 'data', 'condition', 'weight', 'dependency'], {})
    const node = step.text('nodeName')
    if (node !== null) return this.#node(node, input, above, step)
    const service = step.text('serviceName')
    const url =
      step.text('serviceUrl') ??
      (service === null ? null : `http://${service}.${this.#namespace}.svc.cluster.local/v1/models/${encodeURIComponent(service)}:predict`)
    if (url === null) throw step.wrong([], 'the step names no service and no node', 'Set serviceName, serviceUrl or nodeName.')
    const host = URL.parse(url)?.host
    if (host === undefined) throw step.wrong(['serviceUrl'], `${url} is not a URL`, 'Write http://HOST/PATH.')
    this.#hosts.add(host)
    return this.#draft.add(stepName(step), { type: 'http-call', input: { name: input }, spec: { url, idempotent: true } })
  }

  /** The condition in JMESPath. `inside`: the field of the value that the condition looks at; empty for the value itself. */
  #condition(step: YamlObject, gjson: string, inside: string): string {
    const condition = conditionOf(gjson, inside)
    if (condition !== null) return condition
    this.#draft.note(
      step.place('condition'),
      `the condition ${gjson} cannot be translated, so it never holds here`,
      'Write the condition in JMESPath: docs/branches.md#conditions.',
    )
    return '`false`'
  }
}

type Target = (step: YamlObject, from: string) => string

/**
 * A `route` bee whose branches end in a `merge` bee. The name of a branch's first bee is known only when the bee is added to the draft, so branches
 * are added one by one.
 */
class RouteDraft {
  readonly #draft: SwarmDraft
  readonly #name: string
  /** The draft contains this same object, so branches can be added after the route bee. */
  readonly #spec: { readonly routes: { [reader: string]: string }; default?: string } = { routes: {} }
  readonly #results: string[] = []

  constructor(draft: SwarmDraft, wanted: string, input: string) {
    this.#draft = draft
    this.#name = draft.add(wanted, { type: 'route', input: { name: input }, spec: this.#spec })
  }

  add(key: string, condition: string, target: (from: string) => string): void {
    const reader = this.#branch(key, target)
    this.#spec.routes[reader] = condition
  }

  addDefault(key: string, target: (from: string) => string): void {
    this.#spec.default = this.#branch(key, target)
  }

  end(wanted: string): string {
    const [only, second] = this.#results
    return only !== undefined && second === undefined ? only : this.#draft.add(wanted, { type: 'merge', input: { stack: this.#results } })
  }

  /** Adds a branch. The branch begins with a filter bee that passes everything, because the target may consist of several bees. */
  #branch(key: string, target: (from: string) => string): string {
    const reader = this.#draft.add(`${key}-branch`, { type: 'filter', input: { name: this.#name }, spec: { condition: '`true`' } })
    this.#results.push(target(reader))
    return reader
  }
}

function stepName(step: YamlObject): string {
  return step.text('name') ?? step.text('serviceName') ?? step.text('nodeName') ?? 'step'
}

/** The most nodes above a node. */
const maxDepth = 100

/** The router types that use a member of a step, by the member's name. */
const usersOf: { readonly [key: string]: readonly string[] } = {
  data: ['Sequence'],
  condition: ['Sequence', 'Switch'],
  weight: ['Splitter'],
  dependency: ['Sequence', 'Ensemble'],
}
const graphAdvice: { readonly [key: string]: string } = {
  timeout: 'Set timeout_seconds of the bees, or X-Timeout-Seconds of a request.',
  resources: 'Nothing: the graph runs in the process.',
  minReplicas: 'Run more processes on Kafka.',
  maxReplicas: 'Run more processes on Kafka.',
  affinity: 'Nothing: where processes run is for Kubernetes to say.',
  tolerations: 'Nothing: where processes run is for Kubernetes to say.',
  routerTimeouts: 'Set timeout_seconds of the bees.',
}
