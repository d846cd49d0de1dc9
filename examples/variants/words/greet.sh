# greet.sh LETTERS GREETING WORD LANGUAGE
text="$2, $3 ($4)"
case $1 in
    upper) printf '%s\n' "$text" | tr a-z A-Z ;;
    *) printf '%s\n' "$text" ;;
esac > text
