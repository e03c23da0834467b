/**
 * For bash 3.2 and later. The shell splits words at `=`, which are joined again; what fits is told without what stands
 * before it.
 */
export const BASH = `# bash completion of tenant-migrate. Now:      source <(tenant-migrate completion bash)
# For good: tenant-migrate completion bash > ~/.local/share/bash-completion/completions/tenant-migrate
_tenant_migrate() {
  local program="$1" cur line value prefix='' i n=0
  local -a typed
  typed=()
  for ((i = 1; i <= COMP_CWORD; i++)); do
    line="\${COMP_WORDS[i]}"
    if ((n > 0)) && [[ "\${typed[n-1]}" == --* && ("$line" == = || "\${typed[n-1]}" == *=) ]]; then
      typed[n-1]="\${typed[n-1]}$line"
    else
      typed[n]="$line"
      n=$((n + 1))
    fi
  done
  cur="\${typed[n-1]}"
  [[ "$cur" == --*=* && "$COMP_WORDBREAKS" == *=* ]] && prefix="\${cur%%=*}="
  COMPREPLY=()
  while IFS=$'\\t' read -r value _; do
    case "$value" in
      :file) compopt -o filenames 2>/dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "\${cur#--*=}") ;;
      :folder) compopt -o filenames 2>/dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "\${cur#--*=}") ;;
      *) COMPREPLY+=("\${value#"$prefix"}") ;;
    esac
  done < <("\${program/#\\~/$HOME}" __complete "\${typed[@]}" 2>/dev/null)
}
complete -F _tenant_migrate tenant-migrate
`;
