import type { Command } from 'commander'
import { exitStatus } from './exit-status.ts'

/** The shells for which a script can be printed. */
export const shells = ['bash', 'zsh', 'fish'] as const

/** The kinds of names that a running server has. */
export const nameKinds = ['swarms', 'gateways', 'bees'] as const

/**
 * `waggle completion SHELL`: prints a script that completes commands, options and their choices, and the names of swarms, gateways and bees. Only for such
 * a name it starts a process while somebody types: `waggle names`, which asks the server.
 */
export function completion(program: Command, shell: (typeof shells)[number]): number {
  const places = placesOf(program, [])
  process.stdout.write({ bash: bashScript, zsh: zshScript, fish: fishScript }[shell](places))
  return exitStatus.done
}

/** The possible continuations after the words of a command. */
interface Place {
  /** The words after `waggle`, as in `['swarms', 'list']`. */
  readonly words: readonly string[]
  readonly commands: readonly Candidate[]
  readonly options: readonly Option[]
  /** The values of its first argument, if they are known; else files. */
  readonly choices: readonly string[]
  /** For each argument the names that it takes; null for another value. */
  readonly names: readonly (NameKind | null)[]
}

type NameKind = (typeof nameKinds)[number]

interface Option extends Candidate {
  readonly choices: readonly string[]
  readonly takesValue: boolean
  /** The names that its value is one of; null for another value. */
  readonly names: NameKind | null
}

interface Candidate {
  readonly name: string
  readonly about: string
}

function placesOf(command: Command, words: readonly string[]): readonly Place[] {
  const help = command.createHelp()
  const commands = help.visibleCommands(command).filter((one) => one.name() !== 'help')
  const options = help
    .visibleOptions(command)
    .flatMap(({ long, description, argChoices = [], required, optional, flags }) =>
      typeof long === 'string'
        ? [{ name: long, about: description, choices: argChoices, takesValue: required || optional, names: kindOf(/<(.*)>/.exec(flags)?.[1] ?? '') }]
        : [],
    )
  const own: Place = {
    words,
    commands: commands.map((one) => ({ name: one.name(), about: one.description() })),
    options,
    choices: command.registeredArguments[0]?.argChoices ?? [],
    names: command.registeredArguments.map((argument) => kindOf(argument.name())),
  }
  return [own, ...commands.flatMap((one) => placesOf(one, [...words, one.name()]))]
}

/** The names that a value is one of, by its name in the help; null for another value. */
function kindOf(value: string): NameKind | null {
  return nameKinds.find((kind) => kind === `${value}s`) ?? null
}

function bashScript(places: readonly Place[]): string {
  const cases = places.map(({ words, commands, options, choices }) => {
    const names = [...commands.map(({ name }) => name), ...choices, ...options.map(({ name }) => name)]
    return `    ${quoted(words.join(' '))}) names=${quoted(names.join(' '))} ;;`
  })
  const values = valueCases(places).map(
    ([key, choices]) => `    ${quoted(key)}) COMPREPLY=($(compgen -W ${quoted(choices.join(' '))} -- "$current")); return ;;`,
  )
  return `# Completion of waggle for bash. Put it where bash-completion looks, or source it.
_waggle() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path="" names="" kind="" before="" word
  local -a typed=() arguments=() server=()
  # Bash cuts words at colons, such as those of an address.
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    local last=$((\${#typed[@]} - 1))
    if [[ $last -ge 0 && ( "$word" == [:=] || "\${typed[last]}" == *[:=] ) ]]; then typed[last]+="$word"; else typed+=("$word"); fi
  done
  for word in "\${typed[@]}"; do
    if [[ -n "$before" && " ${valued(places)} " == *" $before "* ]]; then
      [[ "$before" == --url || "$before" == --profile ]] && server+=("$before" "$word")
      before=""
      continue
    fi
    before="$word"
    [[ "$word" == -* ]] && continue
    case " ${groupNames(places).join(' ')} " in
      *" \${path:+$path/}$word "*) path="\${path:+$path/}$word" ;;
      *) arguments+=("$word") ;;
    esac
  done
  case "\${path//\\// } $previous" in
${values.join('\n')}
${nameCases(places, 'options')}
  esac
  if [[ -z "$kind" && "$current" != -* ]]; then
    case "\${path//\\// } \${#arguments[@]}" in
${nameCases(places, 'arguments')}
    esac
  fi
  if [[ -n "$kind" ]]; then
    [[ "$kind" == bees && \${#arguments[@]} -gt 0 ]] && server+=("\${arguments[0]}")
    COMPREPLY=($(compgen -W "$("\${COMP_WORDS[0]}" names "$kind" "\${server[@]}" 2>/dev/null)" -- "$current"))
    return
  fi
  case "\${path//\\// }" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$names" -- "$current"))
  [[ \${#COMPREPLY[@]} -eq 0 ]] && COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _waggle waggle
`
}

function zshScript(places: readonly Place[]): string {
  const cases = places.map(({ words, commands, options, choices }) => {
    const names = [...commands, ...choices.map((name) => ({ name, about: '' })), ...options].map(({ name, about }) =>
      quoted(about === '' ? name : `${name}:${oneLine(about)}`),
    )
    return `    ${quoted(words.join(' '))}) names=(${names.join(' ')}) ;;`
  })
  const values = valueCases(places).map(([key, choices]) => `    ${quoted(key)}) compadd -- ${choices.join(' ')}; return ;;`)
  return `#compdef waggle
# Completion of waggle for zsh. Put it into a folder of $fpath as _waggle, or source it.
_waggle() {
  local current="\${words[CURRENT]}" previous="\${words[CURRENT-1]}" waggle_path="" kind="" before="" word
  local -a names arguments server
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if [[ -n "$before" && " ${valued(places)} " == *" $before "* ]]; then
      [[ "$before" == --url || "$before" == --profile ]] && server+=("$before" "$word")
      before=""
      continue
    fi
    before="$word"
    [[ "$word" == -* ]] && continue
    case " ${groupNames(places).join(' ')} " in
      *" \${waggle_path:+$waggle_path/}$word "*) waggle_path="\${waggle_path:+$waggle_path/}$word" ;;
      *) arguments+=("$word") ;;
    esac
  done
  case "\${waggle_path//\\// } $previous" in
${values.join('\n')}
${nameCases(places, 'options')}
  esac
  if [[ -z "$kind" && "$current" != -* ]]; then
    case "\${waggle_path//\\// } \${#arguments}" in
${nameCases(places, 'arguments')}
    esac
  fi
  if [[ -n "$kind" ]]; then
    [[ "$kind" == bees && \${#arguments} -gt 0 ]] && server+=("\${arguments[1]}")
    names=(\${(f)"$("\${words[1]}" names "$kind" "\${server[@]}" 2>/dev/null)"})
    compadd -a names
    return
  fi
  case "\${waggle_path//\\// }" in
${cases.join('\n')}
  esac
  _describe 'waggle' names || _files
}
if [ "$funcstack[1]" = "_waggle" ]; then _waggle "$@"; else compdef _waggle waggle; fi
`
}

function fishScript(places: readonly Place[]): string {
  const lines = places.flatMap(({ words, commands, options, choices, names }) => {
    const others = commands.map(({ name }) => name).join(' ')
    const begun = words.map((word) => `__fish_seen_subcommand_from ${word}`)
    const inside = [...begun, ...(others === '' ? [] : [`not __fish_seen_subcommand_from ${others}`])].join('; and ')
    const when = `-n ${quoted(inside === '' ? 'true' : inside)}`
    return [
      ...commands.map(({ name, about }) => `complete -c waggle ${when} -f -a ${name} -d ${quoted(oneLine(about))}`),
      ...choices.map((name) => `complete -c waggle ${when} -f -a ${name}`),
      ...options.map(
        ({ name, about, choices: values }) =>
          `complete -c waggle ${when} -l ${name.slice(2)} -d ${quoted(oneLine(about))}${values.length === 0 ? '' : ` -x -a ${quoted(values.join(' '))}`}`,
      ),
      ...options.flatMap(({ name, names: kind }) =>
        kind === null ? [] : [`complete -c waggle ${when} -l ${name.slice(2)} -x -a '(waggle names ${kind} (__waggle_server) 2>/dev/null)'`],
      ),
      ...names.flatMap((kind, at) => {
        if (kind === null) return []
        const swarm = kind === 'bees' && at > 0 ? ' (__waggle_words)[-1]' : ''
        const here = quoted(`${inside === '' ? 'true' : inside}; and __waggle_has ${words.length + at}`)
        return [`complete -c waggle -n ${here} -f -a '(waggle names ${kind}${swarm} (__waggle_server) 2>/dev/null)'`]
      }),
    ]
  })
  return `# Completion of waggle for fish. Put it into ~/.config/fish/completions/waggle.fish, or source it.
# The words before the cursor without options and their values.
function __waggle_words
  set -l typed (commandline -opc)
  set -e typed[1]
  set -l before ''
  for word in $typed
    if contains -- "$before" ${valued(places)}
      set before ''
      continue
    end
    set before $word
    string match -q -- '-*' $word; or echo $word
  end
end
# The options that say which server is asked.
function __waggle_server
  set -l before ''
  for word in (commandline -opc)
    contains -- "$before" --url --profile; and printf '%s\\n' $before $word
    set before $word
  end
end
function __waggle_has
  test (count (__waggle_words)) -eq $argv[1]
end
${lines.join('\n')}
`
}

/** Each command with its parent command, as `swarms/list`. */
function groupNames(places: readonly Place[]): readonly string[] {
  return places.flatMap(({ words }) => (words.length === 0 ? [] : [words.join('/')]))
}

/** The values of options with a few possible values, by the words of the command and the option. */
function valueCases(places: readonly Place[]): readonly (readonly [string, readonly string[]])[] {
  return places.flatMap(({ words, options }) =>
    options.flatMap(({ name, choices }) => (choices.length === 0 ? [] : [[`${words.join(' ')} ${name}`, choices] as const])),
  )
}

/** The options of all commands that take a value. */
function valued(places: readonly Place[]): string {
  return [...new Set(places.flatMap(({ options }) => options.flatMap(({ name, takesValue }) => (takesValue ? [name] : []))))].join(' ')
}

/** Sets `kind` to the names that are asked for: by the words of the command, and the option before or the number of arguments before. */
function nameCases(places: readonly Place[], of: 'options' | 'arguments'): string {
  const cases = places.flatMap(({ words, options, names }) => {
    const found: readonly (readonly [string | number, NameKind | null])[] =
      of === 'options' ? options.map(({ name, names: kind }) => [name, kind] as const) : names.map((kind, at) => [at, kind] as const)
    return found.flatMap(([key, kind]) => (kind === null ? [] : [`    ${quoted(`${words.join(' ')} ${key}`)}) kind=${kind} ;;`]))
  })
  return cases.join('\n')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(':', ' -').slice(0, 100)
}
