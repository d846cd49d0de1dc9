# Says what this stage gets: `ask.sh WHAT WAY`.
case "$1" in
its-input) said=$(cat input.txt) ;;
home) said=$(ls /home /root >/dev/null 2>&1 && echo "in reach" || echo "out of reach") ;;
network) said=$(python3 -c 'import socket; socket.socket()' 2>/dev/null && echo "in reach" || echo "out of reach") ;;
folder) said=$(ls | tr '\n' ' ') ;;
esac
[ "$2" = at-length ] && said="this stage gets: $said"
echo "$1: $said" > answer
