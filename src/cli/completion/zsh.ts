/** For zsh 5 and later; also as a file `_tenant-migrate` in a folder of `$fpath`. */
export const ZSH = `#compdef tenant-migrate
# zsh completion of tenant-migrate. Now:      source <(tenant-migrate completion zsh)
# For good: tenant-migrate completion zsh > "\${fpath[1]}/_tenant-migrate"
_tenant_migrate() {
  local line value help files=''
  local -a typed fitting
  typed=("\${(@Q)words[2,CURRENT]}")
  [[ "\${typed[-1]}" == --*=* ]] && compset -P '*='
  while IFS= read -r line; do
    case "$line" in
      :file|:folder) files="$line" ;;
      *) value="\${line%%$'\\t'*}"
        help="\${line#*$'\\t'}"
        [[ "\${typed[-1]}" == --*=* ]] && value="\${value#*=}"
        fitting+=("\${value//:/\\\\:}\${help:+:$help}") ;;
    esac
  done < <("\${(Q)words[1]/#\\~/$HOME}" __complete "\${typed[@]}" 2>/dev/null)
  (( \${#fitting} )) && _describe -V 'tenant-migrate' fitting
  [[ "$files" == :file ]] && _files
  [[ "$files" == :folder ]] && _files -/
  return 0
}
if [[ "$funcstack[1]" == _tenant-migrate ]]; then
  _tenant_migrate "$@"
else
  compdef _tenant_migrate tenant-migrate
fi
`;
