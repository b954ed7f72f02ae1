import { compile, TreeInterpreter } from '@jmespath-community/jmespath'
import { isFields } from '../../topology/fields.ts'
import { didYouMean } from '../../topology/swarm/check/nearest-name.ts'
import { saidBy, WaggleError } from '../../topology/waggle-error.ts'
import { charactersAStep, ownResult } from './expression-functions.ts'

/**
 * A JMESPath expression of a swarm file. One evaluation takes at most `maxSteps` steps, so that neither an expression nor an input can block the
 * process. docs/decisions/expressions.md has the reasons for this language.
 */
export class Expression {
  readonly text: string
  readonly #tree: Tree
  readonly #budget: Budget = { steps: 0 }
  readonly #interpreter = new BoundedInterpreter(this.#budget)

  private constructor(text: string, tree: Tree) {
    this.text = text
    this.#tree = tree
  }

  /**
   * Parses an expression. Throws WAGGLE_EXPRESSION for a text that is not an expression, is too long or too deep, or calls a function that does not
   * exist.
   */
  static parse(text: string): Expression {
    if (text.length > maxCharacters) throw wrong(`it has ${text.length} characters, and at most ${maxCharacters} are allowed`, 'Use a module bee.')
    let tree: Tree
    try {
      tree = compile(text)
    } catch (thrown) {
      if (thrown instanceof RangeError) throw tooDeep()
      throw wrong(`"${text}": ${saidBy(thrown)}`, syntaxHint)
    }
    checkTree(tree)
    return new Expression(text, tree)
  }

  /** The result for an input. Throws WAGGLE_EXPRESSION if there is no result, or if the evaluation takes too many steps. */
  evaluate(input: unknown): unknown {
    try {
      this.#budget.steps = maxSteps
      return this.#interpreter.search(this.#tree, input as Value)
    } catch (thrown) {
      throw failed(
        `The expression "${this.text}" failed: ${saidBy(thrown)}`,
        this.#budget.steps >= 0 ? 'Correct the expression, or the bee that makes its input.' : 'Look at fewer elements, or use a module bee.',
      )
    }
  }

  /** The result as a condition. Throws WAGGLE_EXPRESSION if the result is neither true nor false. */
  holds(input: unknown): boolean {
    const result = this.evaluate(input)
    if (typeof result === 'boolean') return result
    throw failed(
      `The condition "${this.text}" gave ${kindOf(result)}, which is neither true nor false`,
      result === null
        ? 'The input has no such field. Compare with null, or write not_null(field, `0`) for a default.'
        : 'Compare two values, such as score > `0.5`.',
    )
  }
}

const Interpreter = TreeInterpreter.constructor as new () => typeof TreeInterpreter

type Tree = ReturnType<typeof compile>
type Value = Parameters<typeof TreeInterpreter.search>[1]

/** An interpreter that counts steps. It reads only an object's own fields, so that no expression reaches a prototype. */
class BoundedInterpreter extends Interpreter {
  readonly #budget: Budget

  constructor(budget: Budget) {
    super()
    this.#budget = budget
    const { runtime } = this
    const call = runtime.callFunction.bind(runtime)
    runtime.callFunction = (name, args) => {
      spend(budget, costOf(name, args))
      const own = ownResult(name, args, {
        spend: (steps) => spend(budget, steps),
        evaluate: (node, element) => this.visit(node as Tree, element as Value),
      })
      return own === undefined ? call(name, args) : (own as Value)
    }
  }

  override withScope(scope: Parameters<typeof TreeInterpreter.withScope>[0]): BoundedInterpreter {
    spend(this.#budget, stepsOfScope)
    const inner = new BoundedInterpreter(this.#budget)
    const { _rootValue, _scope } = this as unknown as Scoped
    Object.assign(inner, { _rootValue, _scope: _scope.withScope(scope) })
    return inner
  }

  override visit(node: Tree, value: Value): ReturnType<typeof TreeInterpreter.visit> {
    spend(this.#budget, 1)
    switch (node.type) {
      case 'Field':
        return isFields(value) && Object.hasOwn(value, node.name) ? ((value[node.name] ?? null) as Value) : null
      case 'Comparator': {
        if (node.name !== 'EQ' && node.name !== 'NE') return super.visit(node, value)
        const isEqual = this.#equal(this.visit(node.left, value), this.visit(node.right, value))
        return node.name === 'EQ' ? isEqual : !isEqual
      }
      case 'Flatten': {
        const list = this.visit(node.child, value)
        if (!Array.isArray(list)) return null
        for (const part of list) spend(this.#budget, Array.isArray(part) ? part.length : 1)
        return list.flat()
      }
      case 'MultiSelectHash':
        return Object.fromEntries(node.children.map((child) => [child.name, this.visit(child.value, value)])) as Value
      case 'Slice':
        if (Array.isArray(value) || typeof value === 'string') spend(this.#budget, value.length)
        return super.visit(node, value)
      default:
        return super.visit(node, value)
    }
  }

  #equal(a: unknown, b: unknown): boolean {
    spend(this.#budget, 1)
    if (typeof a === 'string' && typeof b === 'string' && a.length === b.length) spend(this.#budget, a.length / comparedAStep)
    if (a === b) return true
    if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, at) => this.#equal(one, b[at]))
    if (!isFields(a) || !isFields(b)) return false
    const keys = Object.keys(a)
    return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && this.#equal(a[key], b[key]))
  }
}

interface Scoped {
  readonly _rootValue: Value
  readonly _scope: { withScope(scope: object): unknown }
}

interface Budget {
  steps: number
}

function spend(budget: Budget, steps: number): void {
  budget.steps -= steps
  if (!(budget.steps >= 0)) throw new RangeError(`it takes more than ${maxSteps} steps for this input`)
}

/** The steps of a function call: at least as many as the size of its result. */
function costOf(name: string, args: readonly unknown[]): number {
  const [first, second, third, fourth] = args
  const text = (value: unknown) => (typeof value === 'string' ? value.length : 0)
  switch (name) {
    case 'pad_left':
    case 'pad_right':
      return typeof second === 'number' ? second / charactersAStep : 1
    case 'replace': {
      const most = text(first) + (text(first) / Math.max(1, text(second))) * text(third)
      return (most + (typeof fourth === 'number' ? fourth : 0)) / charactersAStep
    }
    case 'join':
      return costOfValue(second, maxSteps) + (text(first) * (Array.isArray(second) ? second.length : 1)) / charactersAStep
    case 'contains':
      return costOfValue(first, maxSteps) + text(second) / charactersAStep
    case 'to_string':
    case 'max':
    case 'min':
      return costOfValue(first, maxSteps)
    default:
      return args.reduce<number>((sum, arg) => sum + 1 + text(arg) / charactersAStep + entriesOf(arg), 0)
  }
}

function entriesOf(value: unknown): number {
  if (Array.isArray(value)) return value.length
  return isFields(value) ? Object.keys(value).length : 0
}

/** The cost of a value, with all values inside it, in steps of the budget. A value in several places counts once for each place. The count stops above `limit`. */
function costOfValue(value: unknown, limit: number): number {
  let size = 0
  const rest = [value]
  for (let at = rest.pop(); size <= limit && at !== undefined; at = rest.pop()) {
    size += typeof at === 'string' ? 1 + at.length / charactersAStep : 1
    if (at !== null && typeof at === 'object') for (const one of Object.values(at)) rest.push(one)
    size += rest.length > limit ? limit : 0
  }
  return size
}

/** Refuses unknown functions, and a tree whose evaluation would need too deep a stack. */
function checkTree(tree: Tree): void {
  let level: unknown[] = [tree]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) throw tooDeep()
    for (const node of level) if (isFields(node) && node.type === 'Function') checkFunction(String(node.name))
    level = level.flatMap((node) => (isFields(node) && node.type !== 'Literal' ? Object.values(node).flat() : [])).filter(isFields)
  }
}

function checkFunction(name: string): void {
  if (functions.has(name)) return
  const hint = didYouMean(name, functions)
  throw wrong(`there is no function ${name}`, hint === '' ? `Use one of ${[...functions].join(', ')}.` : hint)
}

const functions: ReadonlySet<string> = new Set(new Interpreter().runtime.getRegistered())

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `the ${typeof value} ${JSON.stringify(value).slice(0, 60)}`
}

function tooDeep(): WaggleError {
  return wrong(`it is nested more than ${maxDepth} deep`, 'Write a flatter expression, or use a module bee.')
}

function wrong(what: string, next: string): WaggleError {
  return failed(`The expression cannot be used: ${what}`, next)
}

function failed(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_EXPRESSION', { message, next })
}

const syntaxHint = 'Write JMESPath: a number is `100`, a text is \'teddy\', "and" is &&, "or" is ||.'
const maxCharacters = 4096
const maxDepth = 300
/** The number of characters of two texts that one step compares. */
const comparedAStep = 512
/** The steps of a `let`, for which the library makes a new interpreter. */
const stepsOfScope = 200
/** The largest number of steps of one evaluation, which is about 0.1 s. */
const maxSteps = 100_000
