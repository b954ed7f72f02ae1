import type { Command } from 'commander'
import { exitStatus } from './exit-status.ts'

/** The shells for which a script can be printed. */
export const shells = ['bash', 'zsh', 'fish'] as const

/** `waggle completion SHELL`: prints a script that completes commands, options and their choices. The script starts no process while a user types. */
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
  readonly options: readonly (Candidate & { readonly choices: readonly string[] })[]
  /** The values of the command's first argument, if they are known; otherwise files. */
  readonly choices: readonly string[]
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
    .flatMap(({ long, description, argChoices = [] }) => (typeof long === 'string' ? [{ name: long, about: description, choices: argChoices }] : []))
  const own: Place = {
    words,
    commands: commands.map((one) => ({ name: one.name(), about: one.description() })),
    options,
    choices: command.registeredArguments[0]?.argChoices ?? [],
  }
  return [own, ...commands.flatMap((one) => placesOf(one, [...words, one.name()]))]
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
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path="" names="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " ${groupNames(places).join(' ')} " in
      *" \${path:+$path/}$word "*) path="\${path:+$path/}$word" ;;
    esac
  done
  case "\${path//\\// } $previous" in
${values.join('\n')}
  esac
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
  local current="\${words[CURRENT]}" previous="\${words[CURRENT-1]}" waggle_path="" word
  local -a names
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case " ${groupNames(places).join(' ')} " in
      *" \${waggle_path:+$waggle_path/}$word "*) waggle_path="\${waggle_path:+$waggle_path/}$word" ;;
    esac
  done
  case "\${waggle_path//\\// } $previous" in
${values.join('\n')}
  esac
  case "\${waggle_path//\\// }" in
${cases.join('\n')}
  esac
  _describe 'waggle' names || _files
}
if [ "$funcstack[1]" = "_waggle" ]; then _waggle "$@"; else compdef _waggle waggle; fi
`
}

function fishScript(places: readonly Place[]): string {
  const lines = places.flatMap(({ words, commands, options, choices }) => {
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
    ]
  })
  return `# Completion of waggle for fish. Put it into ~/.config/fish/completions/waggle.fish, or source it.\n${lines.join('\n')}\n`
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

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(':', ' -').slice(0, 100)
}
